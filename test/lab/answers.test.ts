/** The director's own ICMP answers, as real TCP stacks, curl, traceroute and tracepath take them (RFC 1191, RFC 8201). */

import assert from 'node:assert/strict';
import test from 'node:test';

import { hostNamed, NIC, run, VIP4, VIP6 } from '../../src/lab/index.js';
import { execute, TestLab } from '../support/lab.js';
import { serversOf, startTalkServers, Talkers, type Target, uploading } from '../support/talkers.js';

const DIRECTOR = hostNamed('director');
const SERVERS = { 4: ['192.168.1.31', '192.168.1.32'], 6: ['fd00::31', 'fd00::32'] } as const;
const NOBODY = { 4: [], 6: [] } as const;
const VIPS = { 4: VIP4, 6: VIP6 } as const;
const FAMILIES = [4, 6] as const;

/** The port of the servers of test/support/talk.ts. */
const TALK_PORT = 7;
const UPLOAD_BYTES = 2_000_000;

/** The payload of a datagram that makes a packet of so many bytes. */
function payloadOf(bytes: number, family: 4 | 6): number {
  return bytes - (family === 4 ? 20 : 40) - 8;
}

/** The kernel's settings for how often one client gets an answer, by family. */
const LIMITS = ['net/ipv4/icmp_ratelimit', 'net/ipv6/icmp/ratelimit'] as const;

/**
 * Sends datagrams that must not be fragmented until the kernel refuses them, then a shorter one. Prints the reason for
 * each address, or "sent". One process for all: to start one takes longer than all that it does.
 */
const SEND_WHOLE = `
import errno, socket, sys, time
port = int(sys.argv[1])
def whole(address):
    six = ":" in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    # IP_MTU_DISCOVER or IPV6_MTU_DISCOVER: PMTUDISC_DO.
    s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 23 if six else 10, 2)
    s.connect((address, port))
    return s
for address, size in zip(sys.argv[2::2], map(int, sys.argv[3::2])):
    s = whole(address)
    reason = "sent"
    for _ in range(300):
        try:
            s.send(b"x" * size)
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                reason = errno.errorcode[error.errno]
                break
        time.sleep(0.02)
    print(reason)
    try:
        # Another socket: the answer to one more datagram of the first may still come.
        whole(address).send(b"x" * (size - 1))
    except OSError as error:
        print("shorter:", errno.errorcode[error.errno])
`;

/**
 * Sends a datagram from each of many sockets to each address. Prints how many were refused within a time; it is over a moment
 * after so many were as are expected in all.
 */
const SEND_REFUSED = `
import select, socket, sys, time
port, count, seconds, expected = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
sockets, refused = {}, {address: 0 for address in sys.argv[5:]}
for address in refused:
    for _ in range(count):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.connect((address, port))
        s.send(b"x")
        sockets[s] = address
end = time.monotonic() + seconds
while sockets and time.monotonic() < end:
    for s in select.select(list(sockets), [], [], 0.1)[0]:
        try:
            s.recv(1)
        except ConnectionRefusedError:
            refused[sockets.pop(s)] += 1
            if sum(refused.values()) == expected:
                end = min(end, time.monotonic() + 0.3)
print(*refused.values(), sep="\\n")
`;

/** One service for each family. */
function both(port: number, rest: string, servers: Readonly<Record<4 | 6, readonly string[]>> = SERVERS): string {
  return FAMILIES.map((family) => {
    const list = servers[family].map((address) => (address.startsWith('{') ? address : `"${address}"`)).join(', ');
    return `  - { address: "${VIPS[family]}", port: ${port}, ${rest}, realServers: [${list}] }\n`;
  }).join('');
}

/** Runs a script on the client, and returns the lines that it printed. */
async function python(lab: TestLab, script: string, ...args: (string | number)[]): Promise<string[]> {
  return (await lab.exec('client', ['python3', '-c', script, ...args.map(String)])).trim().split('\n');
}

async function upload(lab: TestLab, address: string, port = TALK_PORT): Promise<void> {
  assert.equal(await lab.exec('client', uploading(address, port, UPLOAD_BYTES)), String(UPLOAD_BYTES));
}

/** The MTU of the way to an address that the client has learnt. */
async function learntMtu(lab: TestLab, address: string): Promise<number | undefined> {
  const route = await lab.exec('client', ['ip', 'route', 'get', address]);
  const [, mtu] = / mtu (\d+)/.exec(route) ?? [];
  return mtu === undefined ? undefined : Number(mtu);
}

/** The client forgets what it has learnt about MTUs. Connections that go on may learn it again at once. */
async function forgetMtus(lab: TestLab): Promise<void> {
  for (const family of FAMILIES) {
    await lab.exec('client', ['ip', `-${family}`, 'route', 'flush', 'cache']);
  }
}

/** Does it for both families at once: most of the time is waiting. */
async function together(work: (family: 4 | 6) => Promise<void>): Promise<void> {
  await Promise.all(FAMILIES.map(work));
}

/** How many packets had a verdict, over all services. */
async function countOf(lab: TestLab, verdict: string): Promise<number> {
  return (await lab.status()).verdicts[verdict] ?? 0;
}

test('the director answers as a router: what is too long, too old, or for nobody', async (context) => {
  const lab = await TestLab.build(context, 'answers');
  // The card takes in the client's frames of 1,500 bytes, since there is room for a tag, and sends packets of 1,496.
  const mtu = 1496;
  const others =
    both(80, 'ttl: decrement') +
    both(9, 'protocol: udp') +
    both(53, 'protocol: udp, ttl: decrement') +
    both(81, 'scheduler: rr', NOBODY) +
    both(82, 'scheduler: maglev', {
      4: SERVERS[4].map((address) => `{ address: ${address}, weight: 0 }`),
      6: SERVERS[6].map((address) => `{ address: "${address}", weight: 0 }`),
    }) +
    both(83, 'noDestination: drop', NOBODY) +
    both(81, 'protocol: udp', NOBODY) +
    both(83, 'protocol: udp, noDestination: drop', NOBODY);
  const config = (talk: string): string => `interfaces: [${NIC}]\nservices:\n${talk}${others}`;
  const talk = both(TALK_PORT, 'scheduler: rr') + both(TALK_PORT + 1, 'scheduler: rr');
  lab.configure(config(talk));
  await startTalkServers(lab, [TALK_PORT, TALK_PORT + 1]);
  for (const name of LIMITS) {
    await lab.sysctl('director', name, '0');
  }
  await lab.startDirector();
  const talkers = await Talkers.start(
    lab,
    FAMILIES.flatMap((family) =>
      [TALK_PORT, TALK_PORT + 1].map((port) => ({ address: VIPS[family], port, sending: 2, silent: 2 })),
    ),
  );
  await lab.exec('director', ['ip', 'link', 'set', NIC, 'mtu', String(mtu)]);
  // Each family is tried: a packet in flight may have been too long already.
  await lab.until('the director knows its MTU', async () => {
    await python(lab, SEND_WHOLE, 9, ...FAMILIES.flatMap((family) => [VIPS[family], payloadOf(1500, family)]));
    return (await Promise.all(FAMILIES.map((family) => learntMtu(lab, VIPS[family])))).every(
      (learnt) => learnt === mtu,
    );
  });

  await context.test("an upload learns the MTU of the director's way out and completes", async () => {
    const before = await countOf(lab, 'too-long');
    await forgetMtus(lab);
    await together(async (family) => {
      await upload(lab, VIPS[family]);
      assert.equal(await learntMtu(lab, VIPS[family]), mtu);
    });
    assert.ok((await countOf(lab, 'too-long')) > before);
  });

  await context.test("a datagram that must not be fragmented is refused by the client's kernel", async () => {
    await forgetMtus(lab);
    const tooLong = FAMILIES.flatMap((family) => [VIPS[family], payloadOf(mtu, family) + 1]);
    // And not the longest one that is not too long.
    assert.deepEqual(await python(lab, SEND_WHOLE, 9, ...tooLong), ['EMSGSIZE', 'EMSGSIZE']);
    for (const family of FAMILIES) {
      assert.equal(await learntMtu(lab, VIPS[family]), mtu);
    }
  });

  for (const family of FAMILIES) {
    const own = family === 4 ? DIRECTOR.ipv4 : DIRECTOR.ipv6;
    for (const [name, method] of [
      ['SYNs', ['-T', '-p', '80']],
      ['datagrams', ['-U', '-p', '53']],
    ] as const) {
      await context.test(`IPv${family}: traceroute by ${name} shows the director, by its own address`, async () => {
        const trace = await lab.exec('client', [
          'traceroute',
          `-${family}`,
          '-n',
          ...['-q', '1', '-N', '1', '-m', '4', '-w', '5'],
          ...method,
          VIPS[family],
        ]);
        const hops = [...trace.matchAll(/^ *(\d+) +(\S+)/gm)].map(([, hop, address]) => `${hop!} ${address!}`);
        assert.deepEqual(hops, [`1 ${own}`, `2 ${VIPS[family]}`], trace);
      });
    }

    await context.test(`IPv${family}: tracepath shows the director and the MTU behind it`, async () => {
      await forgetMtus(lab);
      const trace = await lab.exec('client', ['tracepath', `-${family}`, '-n', '-m', '3', '-p', '53', VIPS[family]]);
      assert.match(trace, new RegExp(`^ 1: +${own} `, 'm'), trace);
      assert.match(trace, new RegExp(`pmtu ${mtu}$`, 'm'), trace);
    });
  }

  await context.test('without real servers, clients are refused', async () => {
    // All of them were removed, or are drained.
    const drained = FAMILIES.map((family) => ({ address: VIPS[family], port: 82 }));
    const [refused, servers] = await Promise.all([
      python(lab, SEND_REFUSED, 81, 1, 15, 2, ...FAMILIES.map((family) => VIPS[family])),
      serversOf(lab, drained, { count: 1 }),
      together(async (family) => {
        const { status, stderr } = await execute(lab, 'client', curl(family, 81));
        assert.match(stderr, /Connection refused/);
        assert.equal(status, 7);
      }),
    ]);
    assert.deepEqual(refused, ['1', '1']);
    assert.deepEqual(servers, [['ECONNREFUSED'], ['ECONNREFUSED']]);
  });

  await context.test('with noDestination: drop, nobody says anything', async () => {
    const before = await countOf(lab, 'dropped');
    const [refused] = await Promise.all([
      python(lab, SEND_REFUSED, 83, 3, 0.2, 0, ...FAMILIES.map((family) => VIPS[family])),
      together(async (family) => {
        const { status, stderr } = await execute(lab, 'client', curl(family, 83, 1));
        // Exit status 28: the time is over.
        assert.equal(status, 28, stderr);
      }),
    ]);
    assert.deepEqual(refused, ['0', '0']);
    assert.ok((await countOf(lab, 'dropped')) >= before + 8);
  });

  await context.test('connections outlive that all their real servers are removed and back', async () => {
    lab.configure(
      config(
        both(TALK_PORT, 'scheduler: rr', NOBODY) + both(TALK_PORT + 1, 'scheduler: rr, noDestination: drop', NOBODY),
      ),
    );
    await lab.beeline(['reload']);
    const to = (port: number): Target[] => FAMILIES.map((family) => ({ address: VIPS[family], port }));
    const [refusal, silence] = await Promise.all([
      serversOf(lab, to(TALK_PORT), { count: 1 }),
      serversOf(lab, to(TALK_PORT + 1), { count: 1, seconds: 0.5 }),
    ]);
    assert.deepEqual(refusal, [['ECONNREFUSED'], ['ECONNREFUSED']]);
    assert.deepEqual(silence, [['timeout'], ['timeout']]);
    lab.configure(config(talk));
    await lab.beeline(['reload']);
    for (const servers of await serversOf(lab, to(TALK_PORT), { count: 1 })) {
      assert.match(servers[0]!, /^real/);
    }
  });

  await context.test("the kernel's icmp_ratelimit is the director's, from its next publication on", async () => {
    const refused = (expected: number): Promise<string[]> =>
      python(lab, SEND_REFUSED, 81, 15, 15, expected, ...FAMILIES.map((family) => VIPS[family]));
    assert.deepEqual(await refused(30), ['15', '15']);
    for (const name of LIMITS) {
      await lab.sysctl('director', name, '600000');
    }
    await lab.beeline(['reload']);
    // Six at once, and the next one after ten minutes.
    assert.deepEqual(await refused(12), ['6', '6']);
    await lab.becomes(18, () => countOf(lab, 'limited'));
  });

  await context.test('connections from before the MTU changed have gone on all the time', async () => {
    assert.deepEqual(await talkers.failures(), []);
  });
});

test('the MTU that counts is that of the interface by which a packet leaves, with and without VLAN tags', async (context) => {
  const lab = await TestLab.build(context, 'mtus');
  const [director, real2] = [lab.namespace('director'), lab.namespace('real2')];
  const mtu = 1400;
  // real2 has a second cable, to a card of the director's that sends shorter packets.
  await run('ip', ['-n', director, 'link', 'add', 'ens4', 'type', 'veth', 'peer', 'name', 'ens4', 'netns', real2]);
  for (const [namespace, host, ...mac] of [
    [director, '21'],
    [real2, '32', 'address', '00:50:00:00:02:01'],
  ] as const) {
    await run('ip', ['-n', namespace, 'addr', 'add', `192.168.2.${host}/24`, 'dev', 'ens4']);
    await run('ip', ['-n', namespace, 'addr', 'add', `fd01::${host}/64`, 'dev', 'ens4', 'nodad']);
    await run('ip', ['-n', namespace, 'link', 'set', 'ens4', ...mac, 'up']);
  }
  await run('ip', ['-n', director, 'link', 'set', 'ens4', 'mtu', String(mtu)]);
  await lab.attachPass('real2', 'ens4');
  // Requests arrive through one card, and answers leave through the other.
  await lab.sysctl('real2', 'net/ipv4/conf/all/rp_filter', '0');
  await lab.sysctl('real2', 'net/ipv4/conf/ens4/rp_filter', '0');
  for (const [host, device] of [
    ['client', NIC],
    ['director', NIC],
    ['director', 'ens4'],
    ['real2', 'ens4'],
    ['switch', 'client'],
    ['switch', 'director'],
  ] as const) {
    await lab.exec(host, ['ethtool', '-K', device, 'rxvlan', 'off', 'txvlan', 'off']);
  }
  const config = (behind: (address: string) => string): string =>
    `interfaces: [${NIC}, ens4]\nservices:\n` +
    both(TALK_PORT, 'scheduler: rr', { 4: ['192.168.1.31'], 6: ['fd00::31'] }) +
    both(TALK_PORT + 1, 'scheduler: rr', { 4: [behind('192.168.2.32')], 6: [behind('fd01::32')] });
  await startTalkServers(lab, [TALK_PORT, TALK_PORT + 1]);
  lab.configure(config((address) => address));
  await lab.startDirector();
  await lab.until('all real servers resolve', async () => (await lab.status()).unresolved === 0);

  await context.test('packets for the same interface may be longer', async () => {
    await together(async (family) => {
      await upload(lab, VIPS[family]);
      assert.equal(await learntMtu(lab, VIPS[family]), undefined);
    });
  });

  await context.test('an upload through another interface learns its MTU and completes', async () => {
    await together(async (family) => {
      await upload(lab, VIPS[family], TALK_PORT + 1);
      assert.equal(await learntMtu(lab, VIPS[family]), mtu);
    });
  });

  await lab.exec('real2', ['tc', 'qdisc', 'add', 'dev', 'ens4', 'clsact']);
  await filter(lab, 'real2', 'ens4', 'ingress', 'pop20');
  // The programs let only ARP through without a tag, and no neighbour discovery.
  // The client's VLAN, which comes below, is neither a real server's nor that of a device.
  lab.configure(
    `vlans: true\n${config((address) => `{ address: "${address}", vlan: 20, mac: "00:50:00:00:02:01", interface: ens4 }`)}`,
  );
  await lab.beeline(['reload']);
  await context.test('a tag does not count as a part of the packet', async () => {
    await forgetMtus(lab);
    await together(async (family) => {
      await upload(lab, VIPS[family], TALK_PORT + 1);
      assert.equal(await learntMtu(lab, VIPS[family]), mtu);
    });
  });

  await context.test('a client in a VLAN gets its answers there', async () => {
    await lab.exec('client', ['tc', 'qdisc', 'add', 'dev', NIC, 'clsact']);
    await lab.exec('client', ['ip', 'neigh', 'replace', VIP4, 'lladdr', DIRECTOR.mac, 'dev', NIC]);
    await filter(lab, 'client', NIC, 'egress', 'push10');
    await filter(lab, 'client', NIC, 'ingress', 'maybe10');
    // real2 answers without a tag, and sees what the director sends to it.
    await lab.exec('real2', [
      'ip',
      'neigh',
      'replace',
      hostNamed('client').ipv4,
      'lladdr',
      hostNamed('client').mac,
      'dev',
      NIC,
    ]);
    await forgetMtus(lab);
    await upload(lab, VIP4, TALK_PORT + 1);
    assert.equal(await learntMtu(lab, VIP4), mtu);
  });
});

/** Attaches one of the programs of test/bpf/vlan.bpf.c to a host's interface. */
async function filter(
  lab: TestLab,
  host: 'client' | 'real2',
  device: string,
  direction: 'ingress' | 'egress',
  program: string,
): Promise<void> {
  const rule = ['bpf', 'direct-action', 'object-file', 'dist/test/bpf/vlan.bpf.o', 'program', program];
  await lab.exec(host, ['tc', 'filter', 'add', 'dev', device, direction, ...rule]);
}

function curl(family: 4 | 6, port: number, seconds = 20): string[] {
  const host = family === 4 ? VIP4 : `[${VIP6}]`;
  return ['curl', '-sv', '--max-time', String(seconds), `http://${host}:${port}/`];
}
