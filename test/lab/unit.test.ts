/** The systemd unit: the daemon can do all it is made for within the unit's limits. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { hostNamed, NIC, PAGES, VIP4 } from '../../src/lab/index.js';
import { TestLab } from '../support/lab.js';

const BEELINE = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));
const [DIRECTOR, REAL1, REAL2] = [hostNamed('director'), hostNamed('real1'), hostNamed('real2')];

/** Each kind of health check that opens sockets in another way, the other director, and the host as a client. */
const CONFIG = `interfaces: [${NIC}]
hostClients: true
flowHandOver: { listen: ${DIRECTOR.ipv4}, peer: ${hostNamed('standby').ipv4}, plain: true }
services:
  - address: ${VIP4}
    port: 80
    scheduler: rr
    health:
      checks: [tcp, http, { type: ping, via: rip }, { type: exec, command: [/usr/bin/test, -e, /] }]
      interval: 0.5
    realServers: [${REAL1.ipv4}, ${REAL2.ipv4}]
`;

/** As systemd's RestrictAddressFamilies: socket() of other families fails with EAFNOSUPPORT (97). */
const FAMILIES_ONLY = `
import ctypes, os, socket, struct, sys
families = [getattr(socket, name) for name in sys.argv[1].split()]
number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
n = len(families)
program = [(0x20, 0, 0, 0), (0x15, 0, n + 2, number), (0x20, 0, 0, 16)]
program += [(0x15, n - i, 0, family) for i, family in enumerate(families)]
program += [(0x06, 0, 0, 0x00050000 | 97), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
filter = Program(len(program), ctypes.addressof(code))
if libc.prctl(22, ctypes.c_ulong(2), ctypes.byref(filter), 0, 0):
    raise OSError(ctypes.get_errno(), "prctl")
os.execvp(sys.argv[2], sys.argv[2:])
`;

function setting(name: string): string {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(readFileSync('packaging/beeline.service', 'utf8'))![1]!;
}

test('the capabilities and address families of the unit are enough, and one family less is not', async (context) => {
  const capabilities = setting('CapabilityBoundingSet').split(' ');
  const bounding = ['-all', ...capabilities.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)].join();
  const lab = await TestLab.build(context, 'unit');
  lab.configure(CONFIG);
  const start = (families: string): void => {
    lab.startProcess('director', 'director', [
      ...['setpriv', `--bounding-set=${bounding}`, '--no-new-privs', 'python3', '-c', FAMILIES_ONLY, families],
      ...[process.execPath, BEELINE, '--instance', lab.name, 'run', lab.configPath],
    ]);
  };
  await context.test('with them checks pass, the host is a client, and the other director is listened to', async () => {
    start(setting('RestrictAddressFamilies'));
    await lab.until('the daemon answers', async () => (await lab.run('status')).status === 0);
    const checks = async (): Promise<string[]> =>
      (await lab.run('list', '--checks')).stdout.match(/^ .*(tcp|http|ping|exec) .*/gm) ?? [];
    await lab.until('all checks passed', async () => {
      const all = await checks();
      return all.length === 8 && all.every((each) => / up .* ms$/.test(each));
    });
    assert.deepEqual(new Set(await lab.pages(20)), new Set([PAGES.real1, PAGES.real2]));
    await lab.until("the host's connections are led", async () => (await lab.status()).hostClients !== undefined);
    assert.match(await lab.exec('director', ['curl', '-sS', '--max-time', '3', `http://${VIP4}/`]), /Real Server/);
    assert.match(await lab.exec('director', ['ss', '-Hltn']), new RegExp(`${DIRECTOR.ipv4}:7447`));
    assert.match(await lab.beeline(['stop', '--detach']), /detached/);
  });

  await context.test('without AF_INET they do not: the test can fail', async () => {
    start('AF_UNIX AF_NETLINK AF_PACKET');
    await lab.until('the daemon answers', async () => (await lab.run('status')).status === 0);
    await lab.until('checks cannot be made', async () =>
      /Address family not supported|EAFNOSUPPORT/.test((await lab.run('list', '--checks')).stdout),
    );
    assert.match(await lab.beeline(['stop', '--detach']), /detached/);
  });
});
