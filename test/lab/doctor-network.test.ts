/** The doctor in a lab whose ARP, VIPs and real servers a test spoils in one way after another. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeFileSync } from 'node:fs';

import type { Finding } from '../../src/doctor/index.js';
import { hostNamed, NIC, VIP4, VIP6 } from '../../src/lab/index.js';
import { advertisementBy, build, examine, lines, sh } from '../support/doctor-lab.js';
import type { TestLab } from '../support/lab.js';

const SEND_FRAMES = fileURLToPath(new URL('../support/send-frames.js', import.meta.url));

/** The checks of this file: what others find in these labs is their own tests' matter. */
const CHECKS = [
  ...['vip-answered-by-others', 'vip-announced-by-others', 'vip-duplicate', 'vip-unanswered', 'vip-prefix'],
  ...['neighbour-bypasses-director', 'real-server-unreachable', 'real-server-off-link', 'real-server-without-vip'],
  ...['real-server-forwards-vip', 'real-server-port-closed', 'real-server-gateway-is-director'],
  ...['real-server-is-director', 'same-mac-twice', 'mtu-differs', 'ipv6-router-advertisements', 'director-warnings'],
];

const [REAL1, REAL2, CLIENT] = [hostNamed('real1'), hostNamed('real2'), hostNamed('client')];

const DUAL = `
interfaces: [${NIC}]
services:
  - { address: ${VIP4}, port: 80, protocol: tcp, scheduler: rr, realServers: [${REAL1.ipv4}, ${REAL2.ipv4}] }
  - { address: ${VIP4}, port: 53, protocol: udp, scheduler: rr, realServers: [${REAL1.ipv4}, ${REAL2.ipv4}] }
  - { address: "${VIP6}", port: 80, protocol: tcp, scheduler: rr, realServers: ["${REAL1.ipv6}", "${REAL2.ipv6}"] }
marks:
  - { mark: 7, match: ["tcp:192.168.1.101:80"], scheduler: rr, realServers: [${REAL1.ipv4}] }
`;

async function find(lab: TestLab, ...words: readonly string[]): Promise<readonly Finding[]> {
  return (await examine(lab, ...words, '--only', ...CHECKS)).findings;
}

const told = async (lab: TestLab, ...words: readonly string[]): Promise<string[]> => lines(await find(lab, ...words));

/** Spoils something, and after the body mends it again. */
async function spoiled(
  lab: TestLab,
  [host, spoil, mend]: readonly [Parameters<typeof sh>[1], string, string],
  body: () => Promise<void>,
): Promise<void> {
  await sh(lab, host, spoil);
  await body();
  await sh(lab, host, mend);
}

/** Has a program run on a host as long as the body needs, however slow the machine is. */
async function beside(
  lab: TestLab,
  [host, ...command]: readonly [Parameters<typeof sh>[1], ...string[]],
  body: () => Promise<void>,
): Promise<void> {
  const identity = lab.startProcess(host, 'beside', command);
  try {
    await body();
  } finally {
    await lab.kill(identity);
  }
}

/** The kernel of the director knows the client: the doctor asks it as well. */
async function meetClient(lab: TestLab): Promise<void> {
  await sh(lab, 'director', `ping -c 1 -W 2 ${CLIENT.ipv4} && ping -c 1 -W 2 ${CLIENT.ipv6}`);
}

async function dual(context: TestContext, name: string): Promise<TestLab> {
  const lab = await build(context, name, DUAL);
  const hosts = [
    ['director', NIC],
    ['real1', 'lo'],
  ] as const;
  for (const [host, device] of hosts) {
    await sh(lab, host, `ip addr add 192.168.1.101/32 dev ${device}`);
  }
  await meetClient(lab);
  return lab;
}

test('nothing is wrong with two families, UDP and marks: a client’s answers to a VIP come through the program', async (context) => {
  const lab = await dual(context, 'dn-clean');
  const { findings, notLookedAt, lookedAt } = await examine(lab, '--only', ...CHECKS);
  assert.deepEqual(lines(findings), []);
  assert.deepEqual(notLookedAt, []);
  assert.match(lookedAt[1]!, /^3 services, 3 VIPs, 4 real servers, [1-9] hosts? beside them/);
});

test('M5: the ARP problem is found both ways, with the client that it misled', async (context) => {
  const lab = await dual(context, 'dn-arp');
  const ignore = '/proc/sys/net/ipv4/conf/all/arp_ignore';
  await spoiled(lab, ['real1', `echo 0 >${ignore}`, `echo 1 >${ignore}`], async () => {
    await sh(lab, 'client', `ip neigh replace ${VIP4} lladdr ${REAL1.mac} dev ${NIC} nud permanent`);
    const [leak, misled, ...more] = await told(lab);
    const both = `${VIP4}, 192.168.1.101`;
    assert.equal(
      leak,
      `error vip-answered-by-others: real server ${REAL1.ipv4} (${REAL1.mac}) answers for the VIPs ${both} on ${NIC}`,
    );
    // Whose answer for the other VIP the client took is a matter of chance.
    const start = `error neighbour-bypasses-director: what the host ${CLIENT.ipv4} sends to the VIP`;
    assert.ok(
      [`${start} ${VIP4}`, `${start}s ${both}`].some((text) => misled === `${text} goes past this director`),
      misled,
    );
    assert.deepEqual(more, []);
    await sh(lab, 'client', `ip neigh del ${VIP4} dev ${NIC}; ip neigh flush to 192.168.1.101`);
  });
  const announce = '/proc/sys/net/ipv4/conf/all/arp_announce';
  await spoiled(lab, ['real2', `echo 0 >${announce}`, `echo 2 >${announce}`], async () => {
    await beside(lab, ['real2', 'ping', '-q', '-i', '0.5', '-I', VIP4, '192.168.1.99'], async () => {
      const [asks, ...misled] = await told(lab);
      assert.equal(
        asks,
        `error vip-announced-by-others: real server ${REAL2.ipv4} (${REAL2.mac}) asks as the VIP ${VIP4} on ${NIC}`,
      );
      // A client that hears the question takes its MAC for the VIP, and does so at another moment than it is asked.
      assert.ok(misled.every((line) => line.includes(`what the host ${CLIENT.ipv4} sends to the VIP`)));
    });
  });
  // Until the client finds out, or is told.
  await sh(lab, 'client', `ip neigh flush to ${VIP4}`);
  assert.deepEqual(await told(lab), []);
});

test('an IPv6 VIP on a real server’s card is named, and so is one that the kernel refuses for it', async (context) => {
  const lab = await dual(context, 'dn-nd');
  const add = (device: string): string => `ip addr add ${VIP6}/128 dev ${device} nodad`;
  await sh(lab, 'real1', add(NIC));
  const [leak, ...more] = await told(lab);
  assert.equal(
    leak,
    `error vip-answered-by-others: real server ${REAL1.ipv6} (${REAL1.mac}) answers for the VIP ${VIP6} on ${NIC}`,
  );
  // Whose answer the client took is a matter of chance.
  assert.ok(more.every((line) => line.includes(`what the host ${CLIENT.ipv6} sends`)));
  const detect = `echo 1 >/proc/sys/net/ipv6/conf/${NIC}/accept_dad; ip addr del ${VIP6}/128 dev ${NIC}; ip addr add ${VIP6}/128 dev ${NIC}`;
  await sh(
    lab,
    'director',
    `${detect}; while ip addr show dev ${NIC} tentative | grep -q ${VIP6}; do ip addr show dev ${NIC} dadfailed | grep -q ${VIP6} && break; sleep 0.1; done`,
  );
  assert.deepEqual(await told(lab), [
    `error vip-duplicate: the kernel does not use the VIP ${VIP6} on ${NIC}: real server ${REAL1.ipv6} (${REAL1.mac}) has it`,
  ]);
});

test('a VIP that the director lacks, has as /24, or shares with another host is told once', async (context) => {
  const lab = await dual(context, 'dn-vip');
  const [add, del] = [`ip addr add ${VIP4}/32 dev ${NIC}`, `ip addr del ${VIP4}/32 dev ${NIC}`];
  await spoiled(lab, ['director', del, add], async () => {
    const missing = [
      `error vip-unanswered: the VIP ${VIP4} is on no interface of this host, and nobody on ${NIC} answers for it`,
    ];
    assert.deepEqual(await told(lab), missing);
    await lab.run('stop');
    assert.deepEqual(await told(lab), missing, 'without a daemon as well');
    await lab.startDirector();
  });
  const wide = add.replace('/32', '/24');
  await spoiled(lab, ['director', `${del}; ${wide}`, `${wide.replace('addr add', 'addr del')}; ${add}`], async () => {
    assert.deepEqual(await told(lab), [`warning vip-prefix: the VIP ${VIP4} is on ${NIC} as /24, and not as /32`]);
  });
  await spoiled(lab, ['client', add, del], async () => {
    const lines = await told(lab);
    assert.equal(
      lines[0],
      `error vip-duplicate: the host ${CLIENT.ipv4} (${CLIENT.mac}) has the VIP ${VIP4} on ${NIC} as well as this host`,
    );
  });
});

test('M6: a real server that lost its VIP is told from one that forwards, and from one that redirects', async (context) => {
  const lab = await build(context, 'dn-lost');
  const [add, del] = [`ip addr add ${VIP4}/32 dev lo`, `ip addr del ${VIP4}/32 dev lo`];
  await spoiled(lab, ['real1', del, add], async () => {
    assert.deepEqual(await told(lab), [
      `error real-server-without-vip: real server ${REAL1.ipv4} does not have the VIP ${VIP4}`,
    ]);
    await sh(lab, 'real1', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    assert.deepEqual(await told(lab), [
      `error real-server-forwards-vip: real server ${REAL1.ipv4} does not have the VIP ${VIP4}, and forwards what is for it`,
    ]);
    await sh(lab, 'real1', 'echo 0 >/proc/sys/net/ipv4/ip_forward');
    const rule = `ip daddr ${VIP4} tcp dport 80 redirect`;
    await sh(lab, 'real1', `nft 'table ip t { chain c { type nat hook prerouting priority dstnat; ${rule}; }; }'`);
    assert.deepEqual(await told(lab), [], 'ports are redirected to it');
    await sh(lab, 'real1', 'nft delete table ip t');
  });
});

test('closed ports, gateways, MTUs, and real servers that are gone or elsewhere are named', async (context) => {
  const lab = await build(context, 'dn-real');
  const table = (rule: string): string =>
    `nft 'table inet t { chain c { type filter hook input priority 0; ${rule}; }; }'`;
  const clear = 'nft delete table inet t';
  const on = `real server ${REAL1.ipv4}`;
  await spoiled(lab, ['real1', table('tcp dport 80 reject with tcp reset'), clear], async () => {
    assert.deepEqual(await told(lab), [`error real-server-port-closed: ${on} refuses connections to ${VIP4} port 80`]);
  });
  await spoiled(lab, ['real1', table(`ip daddr ${VIP4} tcp dport 80 drop`), clear], async () => {
    const text = `drops connections to ${VIP4} port 80, and takes those to its own address`;
    assert.deepEqual(await told(lab), [`error real-server-port-closed: ${on} ${text}`]);
  });
  const route = 'ip route add default via 192.168.1.21';
  await spoiled(lab, ['real1', route, route.replace('add', 'del')], async () => {
    assert.deepEqual(await told(lab), [
      `error real-server-gateway-is-director: the default gateway of ${on} is this director`,
    ]);
  });
  await spoiled(lab, ['real1', `ip link set ${NIC} mtu 1400`, `ip link set ${NIC} mtu 1500`], async () => {
    const text = `packets of 1500 bytes, the MTU of ${NIC}, do not reach ${on} and back`;
    assert.deepEqual(await told(lab), [`warning mtu-differs: ${text}`]);
  });
  const away = `ip route add ${REAL2.ipv4}/32 via ${CLIENT.ipv4}`;
  await spoiled(lab, ['director', away, away.replace('add', 'del')], async () => {
    assert.deepEqual(await told(lab), [
      `error real-server-off-link: real server ${REAL2.ipv4} is behind the router ${CLIENT.ipv4}`,
    ]);
  });
  await spoiled(lab, ['real2', `ip addr del ${REAL2.ipv4}/24 dev ${NIC}`, 'true'], async () => {
    assert.deepEqual(await told(lab), [
      `error real-server-unreachable: nobody answers for real server ${REAL2.ipv4} on ${NIC}`,
    ]);
    await sh(lab, 'real1', `ip addr add ${REAL2.ipv4}/24 dev ${NIC}`);
    assert.deepEqual(await told(lab), [
      `warning same-mac-twice: real servers ${REAL1.ipv4}, ${REAL2.ipv4} have one MAC, ${REAL1.mac}`,
    ]);
    await sh(lab, 'real1', `ip addr del ${REAL2.ipv4}/24 dev ${NIC}`);
    await sh(lab, 'real2', `ip addr add ${REAL2.ipv4}/24 dev ${NIC}`);
  });
  assert.deepEqual(await told(lab), []);
});

test('a real server that is another director, and one that advertises itself as a gateway, are named', async (context) => {
  const lab = await build(context, 'dn-roles');
  const path = `${lab.directory}/pair.yaml`;
  const service = `{ address: ${VIP4}, port: 80, protocol: tcp, scheduler: rr, realServers: [${REAL1.ipv4}, ${REAL2.ipv4}] }`;
  writeFileSync(path, `interfaces: [${NIC}]\ndirectors: [192.168.1.22]\nservices:\n  - ${service}\n`);
  const add = `ip addr add 192.168.1.22/24 dev ${NIC}`;
  await spoiled(lab, ['real1', add, add.replace('addr add', 'addr del')], async () => {
    assert.deepEqual(await told(lab, '--config', path), [
      `warning real-server-is-director: real server ${REAL1.ipv4} is the other director 192.168.1.22`,
    ]);
  });
  const sending = [
    process.execPath,
    SEND_FRAMES,
    NIC,
    advertisementBy(REAL2.mac, 'fe80::250:ff:fe00:200'),
    '10000',
    '300',
  ];
  await beside(lab, ['real2', ...sending], async () => {
    assert.deepEqual(await told(lab), [
      `warning ipv6-router-advertisements: real server ${REAL2.ipv4} (${REAL2.mac}) advertises itself as a gateway of IPv6 on ${NIC}`,
    ]);
  });
});
