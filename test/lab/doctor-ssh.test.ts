/** The doctor asks the lab's real servers over SSH: one that is set up has nothing wrong, each mistake is named with its host. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { HOSTS, hostNamed, inNamespace, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { build, examine, lines, sh } from '../support/doctor-lab.js';
import type { TestLab } from '../support/lab.js';

const CONFIG = `
interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, protocol: tcp, scheduler: rr, realServers: [192.168.1.31, 192.168.1.32] }
  - { address: "${VIP6}", port: 80, protocol: tcp, scheduler: rr, realServers: ["fd00::31", "fd00::32"] }
`;

/** As ssh would: it enters the host of that address, and runs the command there. */
function sshInto(lab: TestLab): string {
  const path = join(lab.directory, 'ssh');
  const cases = HOSTS.map((host) => {
    const [file, words] = inNamespace(lab.namespace(host.name), []);
    return `  *${host.name} | *${host.ipv4} | *${host.ipv6}) exec ${[file, ...words].join(' ')} "$@" ;;`;
  });
  writeFileSync(
    path,
    `#!/bin/sh
[ "$1 $2 $3 $4" = '-o BatchMode=yes -o ConnectTimeout=5' ] || exit 9
shift 4
host=$1
shift
case $host in
${cases.join('\n')}
esac
echo "ssh: Could not resolve hostname $host: Name or service not known" >&2
exit 255
`,
    { mode: 0o755 },
  );
  return path;
}

test('real servers are asked over SSH for what the doctor cannot see from outside', async (context) => {
  const lab = await build(context, 'doc-ssh', CONFIG);
  const command = sshInto(lab);
  const ask = (...hosts: string[]) =>
    examine(
      lab,
      '--only',
      'vip-answered-by-others',
      'ssh-server-setup',
      'ssh-mtu',
      'ssh-gateway',
      'ssh-neighbour-cache',
      '--passive',
      '--ssh-command',
      command,
      '--ssh',
      ...hosts,
    );

  await context.test(
    'the real servers of the lab have nothing wrong, and each is one host of two families',
    async () => {
      const { findings, lookedAt, notLookedAt } = await examine(lab, '--ssh', '--ssh-command', command);
      assert.deepEqual(lines(findings), []);
      assert.deepEqual(notLookedAt, []);
      assert.ok(lookedAt.includes('2 hosts over SSH'), lookedAt.join('\n'));
    },
  );

  await context.test('what each host has wrong is named with the command that mends it', async () => {
    await sh(lab, 'real1', 'echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore');
    await sh(lab, 'real1', `ip route add default via ${hostNamed('director').ipv4}`);
    await sh(lab, 'real2', `ip address del ${VIP6}/128 dev lo; ip link set dev ${NIC} mtu 1400`);
    const { findings, status } = await ask();
    assert.equal(status, 2);
    assert.deepEqual(lines(findings).sort(), [
      `error ssh-server-setup: on real server 192.168.1.31: this host answers ARP for ${VIP4} on ${NIC} (arp_ignore 0): clients and routers may come here past the director`,
      `error ssh-server-setup: on real server 192.168.1.32: ${VIP6} is not on this host: it drops what the director sends, or forwards it`,
      `warning ssh-gateway: the default gateway of real server 192.168.1.31 is this director (${hostNamed('director').ipv4})`,
      `warning ssh-mtu: real server 192.168.1.32 has an MTU of 1400 on ${NIC}, and the director 1500 on ${NIC}`,
    ]);
    const missing = findings.find(({ text }) => text.includes('not on this host'));
    assert.deepEqual(missing?.mend, [
      { on: 'real server', host: '192.168.1.32', command: `beeline realserver setup --vip ${VIP6}` },
    ]);
    assert.deepEqual(lines((await ask('root@192.168.1.32')).findings).length, 2, 'only the host that is named');
  });

  await context.test(
    "a client's cache that points past the director is found, and one that does not is not",
    async () => {
      const cache = (mac: string): Promise<void> =>
        sh(lab, 'client', `ip neigh replace ${VIP4} dev ${NIC} lladdr ${mac} nud reachable`);
      await cache(hostNamed('director').mac);
      assert.deepEqual(lines((await ask('client')).findings), []);
      await cache(hostNamed('real1').mac);
      await sh(
        lab,
        'client',
        `ip neigh replace 192.168.1.31 dev ${NIC} lladdr ${hostNamed('real1').mac} nud reachable`,
      );
      assert.deepEqual(lines((await ask('client')).findings), [
        `error ssh-neighbour-cache: client sends what is for the VIP ${VIP4} to ${hostNamed('real1').mac}, which is real server 192.168.1.31`,
      ]);
    },
  );

  await context.test('a UDP service that nobody listens for is told of each real server without one', async () => {
    await sh(lab, 'real2', `ip address add ${VIP6}/128 dev lo nodad; ip link set dev ${NIC} mtu 1500`);
    const path = join(lab.directory, 'udp.yaml');
    writeFileSync(
      path,
      `interfaces: [${NIC}]\nservices:\n  - { address: ${VIP4}, port: 5353, protocol: udp, realServers: [192.168.1.31, 192.168.1.32] }\n`,
    );
    const script = `import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('${VIP4}', 5353)); time.sleep(600)`;
    lab.startProcess('real1', 'udp', ['python3', '-c', script]);
    await lab.until('a server takes packets', async () =>
      (await lab.exec('real1', ['cat', '/proc/net/udp'])).includes(':14E9 '),
    );
    const words = ['--config', path, '--only', 'ssh-server-setup', '--ssh-command', command, '--ssh', 'real1', 'real2'];
    assert.deepEqual(
      lines((await examine(lab, ...words)).findings).filter((line) => line.includes('UDP')),
      [
        `error ssh-server-setup: on real server 192.168.1.32: no server takes packets to ${VIP4} on UDP port 5353: nothing listens there`,
      ],
    );
  });

  await context.test(
    'a host that is not reached is told with the words of ssh, and one that would be an option is refused',
    async () => {
      const { notLookedAt, findings } = await ask('nowhere');
      assert.deepEqual(findings, []);
      assert.deepEqual(notLookedAt.at(-1), {
        what: 'nowhere over SSH',
        why: 'ssh: Could not resolve hostname nowhere: Name or service not known',
      });
      const refused = await lab.run('doctor', '--ssh=-oProxyCommand=false');
      assert.equal(refused.status, 2);
      assert.match(refused.stderr, /"-oProxyCommand=false" is no host/);
      const alone = await lab.run('doctor', '--ssh-command', command);
      assert.match(alone.stderr, /--ssh-command is for --ssh/);
    },
  );
});

/** A real server of SSH on real1, with a home of its own: its mounts are not this machine's. */
async function startDropbear(lab: TestLab): Promise<{ key: string; hostKey: string }> {
  const key = join(lab.directory, 'key');
  const hostKey = join(lab.directory, 'host-key');
  await sh(
    lab,
    'real1',
    `ssh-keygen -q -t ed25519 -N '' -f ${key}; dropbearkey -t ed25519 -f ${hostKey} >${hostKey}.pub`,
  );
  const pid = join(lab.directory, 'dropbear.pid');
  const script = `mount -t tmpfs -o mode=700 none /root && mkdir -m 700 /root/.ssh && cp ${key}.pub /root/.ssh/authorized_keys &&
    chmod 600 /root/.ssh/authorized_keys && exec dropbear -F -E -s -r ${hostKey} -p ${hostNamed('real1').ipv4}:22 -P ${pid}`;
  lab.startProcess('real1', 'dropbear', ['unshare', '--mount', 'sh', '-c', script]);
  await lab.until('dropbear listens', () => existsSync(pid));
  return { key, hostKey: readFileSync(`${hostKey}.pub`, 'utf8') };
}

test('real SSH: a key is enough, a strange host key and a closed port are told, and nothing is asked', async (context) => {
  const lab = await build(context, 'doc-sshd');
  const { key, hostKey } = await startDropbear(lab);
  const known = join(lab.directory, 'known_hosts');
  const command = `ssh -F none -l root -i ${key} -o IdentitiesOnly=yes -o UserKnownHostsFile=${known}`;
  const ask = () => examine(lab, '--passive', '--only', 'ssh-server-setup', '--ssh-command', command, '--ssh');
  const why = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await ask()).notLookedAt.map((each) => [each.what, each.why]));

  assert.match((await why())['192.168.1.31 over SSH']!, /Host key verification failed/);
  writeFileSync(known, `192.168.1.31 ${/ssh-ed25519 \S+/.exec(hostKey)![0]}\n`);
  assert.deepEqual(await why(), {
    '192.168.1.32 over SSH': 'ssh: connect to host 192.168.1.32 port 22: Connection refused',
  });
  assert.deepEqual(lines((await ask()).findings), []);
  await sh(lab, 'real1', `ip address del ${VIP4}/32 dev lo`);
  assert.deepEqual(lines((await ask()).findings), [
    `error ssh-server-setup: on real server 192.168.1.31: ${VIP4} is not on this host: it drops what the director sends, or forwards it`,
  ]);
});
