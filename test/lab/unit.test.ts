/** The systemd unit: the daemon can do all it is made for within the unit's limits. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
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

/**
 * As systemd does for RestrictAddressFamilies and SystemCallFilter: socket() of other families fails with EAFNOSUPPORT (97),
 * and other system calls end the process. Arguments: names of families, names of system calls, and a command.
 */
const RESTRICTED = `
import ctypes, os, socket, struct, sys
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p
families = [getattr(socket, name) for name in sys.argv[1].split()]
class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("first", ctypes.c_uint64), ("second", ctypes.c_uint64)]
def rule(filter, action, call, comparison=None):
    number = seccomp.seccomp_syscall_resolve_name(call.encode())
    array = ctypes.byref(comparison) if comparison else None
    if number >= 0 and seccomp.seccomp_rule_add_array(ctypes.c_void_p(filter), ctypes.c_uint32(action), number, 1 if comparison else 0, array):
        raise OSError("seccomp_rule_add_array " + call)
ALLOW, KILL, ERRNO, EQUAL = 0x7fff0000, 0x80000000, 0x00050000, 4
filters = [seccomp.seccomp_init(ctypes.c_uint32(action)) for action in (ALLOW, KILL)]
for family in range(64):
    if family not in families:
        rule(filters[0], ERRNO | 97, "socket", Comparison(0, EQUAL, family, 0))
for call in sys.argv[2].split():
    rule(filters[1], ALLOW, call)
for filter in filters:
    if seccomp.seccomp_load(ctypes.c_void_p(filter)):
        raise OSError("seccomp_load")
os.execvp(sys.argv[3], sys.argv[3:])
`;

/** The system calls of names such as "@system-service", by systemd's own list; "@default" is always among them. */
function systemCalls(names: readonly string[]): string[] {
  const all = new Map<string, string[]>();
  let calls: string[] = [];
  const output = execFileSync('systemd-analyze', ['syscall-filter'], { stdio: 'pipe', encoding: 'utf8' });
  for (const line of output.split('\n')) {
    if (line.startsWith('@')) {
      calls = [];
      all.set(line.trim(), calls);
    } else if (/^ +[@a-z]/.test(line)) {
      calls.push(line.trim());
    }
  }
  const expand = (name: string): string[] => (name.startsWith('@') ? all.get(name)!.flatMap(expand) : [name]);
  return [...new Set(['@default', ...names].flatMap(expand))];
}

function setting(name: string): string {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(readFileSync('packaging/beeline.service', 'utf8'))![1]!;
}

test('the capabilities, address families and system calls of the unit are enough, and one family less is not', async (context) => {
  const capabilities = setting('CapabilityBoundingSet').split(' ');
  const bounding = ['-all', ...capabilities.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)].join();
  const calls = systemCalls(setting('SystemCallFilter').split(' ')).join(' ');
  const lab = await TestLab.build(context, 'unit');
  lab.configure(CONFIG);
  const start = (families: string): void => {
    lab.startProcess('director', 'director', [
      ...['setpriv', `--bounding-set=${bounding}`, '--no-new-privs', 'python3', '-c', RESTRICTED, families, calls],
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
