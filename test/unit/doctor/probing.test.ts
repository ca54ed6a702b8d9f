/** How the doctor asks and listens: whom, how much, what its filter lets through, and what it makes of what it hears. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { parseConfig } from '../../../src/config/index.js';
import type { HeardMessage, NetworkFacts, Outcome } from '../../../src/doctor/index.js';
import { Ear } from '../../../src/doctor/probe/ear.js';
import { filterFor, type Marks } from '../../../src/doctor/probe/filter.js';
import { Heard } from '../../../src/doctor/probe/heard.js';
import { MOST_PROBES, type Targets, targetsOf } from '../../../src/doctor/probe/targets.js';
import { ip, type IpAddress, mac } from '../../../src/model/index.js';
import {
  announcement,
  buildFrame,
  echoRequest,
  icmpError,
  ipv4Fragment,
  parseFrame,
  routerSolicitation,
  tagged,
  tcpSegment,
  whoHas,
} from '../../../src/packet/index.js';
import { CLIENT, DIRECTOR, NETWORK, REAL1, VIP } from '../../support/facts.js';
import { PLAIN } from '../../support/frames.js';

const MARKS: Marks = { echoId: 0x1234, firstPort: 2_500, ports: 16 };
/** Of the SYN that is waited for. */
const SEQUENCE = 0x7fff_fff0;

/** Runs a program of classic BPF (Documentation/networking/filter.rst) over a frame. Returns what it returns. */
function runFilter(program: Uint8Array, frame: Uint8Array, { kind = 0, tag = 0 } = {}): number {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const load = (at: number, bytes: number): number | undefined =>
    at === 0xffff_f004
      ? kind
      : at === 0xffff_f02c
        ? tag
        : at + bytes > frame.length
          ? undefined
          : Number(`0x${Buffer.from(frame.subarray(at, at + bytes)).toString('hex')}`);
  let [a, x] = [0, 0];
  for (let pc = 0; ; pc += 1) {
    const [op, ifTrue, ifFalse, k] = [
      view.getUint16(pc * 8, true),
      view.getUint8(pc * 8 + 2),
      view.getUint8(pc * 8 + 3),
      view.getUint32(pc * 8 + 4, true),
    ];
    const loads: Record<number, [number, number]> = {
      0x20: [k, 4],
      0x28: [k, 2],
      0x30: [k, 1],
      0x48: [x + k, 2],
      0x50: [x + k, 1],
      0xb1: [k, 1],
    };
    if (op === 0x06) {
      return k;
    }
    const place = loads[op];
    if (place !== undefined) {
      const value = load(...place);
      if (value === undefined) {
        return 0;
      }
      [a, x] = op === 0xb1 ? [a, (value & 0xf) * 4] : [value, x];
    } else if (op === 0x54) {
      a &= k;
    } else {
      assert.ok(op === 0x15 || op === 0x35, `opcode ${op}`);
      pc += (op === 0x15 ? a === k : a >= k) ? ifTrue : ifFalse;
    }
  }
}

const toDirector = {
  sourceMac: REAL1.mac,
  destinationMac: DIRECTOR.mac,
  source: REAL1.address,
  destination: DIRECTOR.address,
  ttl: 64,
};
const toDirector6 = { ...toDirector, source: ip('fd00::31'), destination: ip('fd00::21') };

/** An echo reply: a request with another type. */
function echoReply(id: number, sequence: number, way: typeof toDirector): Uint8Array {
  const frame = echoRequest(way, { id, sequence });
  const { transport, family } = parseFrame(frame).ip!;
  frame[transport] = family === 4 ? 0 : 129;
  return frame;
}

/** @param flags of TCP: a SYN-ACK, or a reset */
function synAck(port: number, way = toDirector, flags = 0x12, acknowledged = SEQUENCE): Uint8Array {
  const frame = buildFrame({ ...PLAIN, ...way, sourcePort: 80, destinationPort: port, flags });
  new DataView(frame.buffer, frame.byteOffset).setUint32(parseFrame(frame).ip!.transport + 8, acknowledged + 1);
  return frame;
}

test('the filter lets through what the doctor listens to, and nothing else', () => {
  const program = filterFor(MARKS);
  const passes = (frame: Uint8Array, from: Parameters<typeof runFilter>[2] = {}): boolean =>
    runFilter(program, frame, from) > 0;
  const question = whoHas(VIP, { mac: CLIENT.mac, address: CLIENT.address });
  const vrrp = buildFrame({ ...PLAIN });
  vrrp[23] = 112;
  const heard = {
    arp: question,
    solicitation: whoHas(ip('fd00::100'), { mac: CLIENT.mac }),
    advertisement: announcement(ip('fd00::100'), CLIENT.mac),
    router: routerSolicitation({ mac: CLIENT.mac, address: ip('fe80::1') }),
    vrrp,
    reply: echoReply(MARKS.echoId, 1, toDirector),
    reply6: echoReply(MARKS.echoId, 1, toDirector6),
    first: synAck(MARKS.firstPort),
    last: synAck(MARKS.firstPort + MARKS.ports - 1),
    six: synAck(MARKS.firstPort, toDirector6),
    error: icmpError({
      ...toDirector,
      router: REAL1.address,
      vip: DIRECTOR.address,
      type: 11,
      quoted: new Uint8Array(28),
    }),
  };
  for (const [name, frame] of Object.entries(heard)) {
    assert.ok(passes(frame), name);
    assert.ok(!passes(frame, { kind: 4 }), `${name}, sent by this host`);
    assert.ok(!passes(frame, { tag: 20 }), `${name}, of a VLAN`);
    assert.ok(passes(frame, { tag: 0xe000 }), `${name}, with a priority alone`);
    assert.ok(!passes(tagged(frame, 0x8100, 20)), `${name}, with a tag in it`);
  }
  const passed = {
    request: echoRequest(toDirector, { id: MARKS.echoId, sequence: 1 }),
    other: echoReply(MARKS.echoId + 1, 1, toDirector),
    other6: echoReply(MARKS.echoId + 1, 1, toDirector6),
    below: synAck(MARKS.firstPort - 1),
    above: synAck(MARKS.firstPort + MARKS.ports),
    below6: synAck(MARKS.firstPort - 1, toDirector6),
    udp: buildFrame({ ...PLAIN, protocol: 'udp', destinationPort: MARKS.firstPort }),
    short: question.subarray(0, 13),
    cut: synAck(MARKS.firstPort).subarray(0, 35),
  };
  for (const [name, frame] of Object.entries(passed)) {
    assert.ok(!passes(frame), name);
  }
});

interface Heeded {
  readonly ear: Ear;
  readonly outcomes: Outcome[];
  readonly messages: HeardMessage[];
}

/** An ear that waits for echo 7 and for the answer to a SYN, both sent at 10 ms. */
function waiting(): Heeded {
  const [outcomes, messages]: [Outcome[], HeardMessage[]] = [[], []];
  const ear = new Ear({
    ...{ marks: MARKS, nameOf: () => 'ens3', own: new Set([DIRECTOR.mac]) },
    onMessage: (message) => messages.push(message),
  });
  const settle = (outcome: Outcome): void => {
    outcomes.push(outcome);
  };
  ear.expectEcho(7, settle)(10);
  ear.expectSegment(SEQUENCE, settle)(10);
  return { ear, outcomes, messages };
}

test('an answer is heard with who gave it and how long it took', () => {
  for (const way of [toDirector, toDirector6]) {
    const { ear, outcomes } = waiting();
    const ended: number[] = [];
    ear.onSynAck = (sequence) => ended.push(sequence);
    ear.hear(2, echoReply(MARKS.echoId, 7, way), 12);
    ear.hear(2, synAck(MARKS.firstPort, way), 13);
    ear.hear(2, synAck(MARKS.firstPort, way, 0x14), 14);
    // Of another real server on the same host.
    ear.hear(2, synAck(MARKS.firstPort, way, 0x12, SEQUENCE + 1), 15);
    const cut = synAck(MARKS.firstPort, way);
    ear.hear(2, cut.subarray(0, parseFrame(cut).ip!.transport + 11), 15);
    assert.deepEqual(outcomes, [
      { kind: 'answer', text: 'echo reply', mac: REAL1.mac, ms: 2 },
      { kind: 'answer', text: 'SYN-ACK', mac: REAL1.mac, ms: 3 },
      { kind: 'refused', text: 'RST', mac: REAL1.mac, ms: 4 },
    ]);
    assert.deepEqual(ended, [SEQUENCE], 'the connection is ended');
  }
});

test('what is for another host, another doctor, or was not asked yet, is no answer', () => {
  const { ear, outcomes } = waiting();
  const elsewhere = { ...toDirector, destinationMac: CLIENT.mac };
  ear.hear(2, echoReply(MARKS.echoId, 7, elsewhere), 12);
  ear.hear(2, synAck(MARKS.firstPort, elsewhere), 12);
  ear.hear(2, echoReply(MARKS.echoId + 1, 7, toDirector), 12);
  ear.hear(2, echoReply(MARKS.echoId, 8, toDirector), 12);
  ear.expectEcho(9, (outcome) => outcomes.push(outcome));
  ear.hear(2, echoReply(MARKS.echoId, 9, toDirector), 12);
  const later = ipv4Fragment(synAck(MARKS.firstPort), 1480, false, 5);
  ear.hear(2, later, 12);
  assert.deepEqual(outcomes, []);
});

test('an ICMP error is heard by the packet that it quotes', () => {
  const { ear, outcomes } = waiting();
  const sent = [
    echoRequest({ ...toDirector, destination: VIP, ttl: 1 }, { id: MARKS.echoId, sequence: 7 }),
    tcpSegment(
      { ...toDirector, ttl: 1 },
      { sourcePort: MARKS.firstPort, destinationPort: 80, flags: 'syn', sequence: SEQUENCE },
    ),
    tcpSegment(
      { ...toDirector, ttl: 1 },
      { sourcePort: MARKS.firstPort, destinationPort: 80, flags: 'syn', sequence: 1 },
    ),
  ];
  for (const frame of sent) {
    for (const length of [0, 20, 27, 28]) {
      const quoted = frame.subarray(14, 14 + length);
      ear.hear(2, icmpError({ ...toDirector, router: REAL1.address, vip: DIRECTOR.address, type: 11, quoted }), 12);
    }
  }
  assert.deepEqual(
    outcomes.map((each) => (each.kind === 'icmp' ? [each.text, each.from, each.expired] : [])),
    [
      ['time to live exceeded', REAL1.address, true],
      ['time to live exceeded', REAL1.address, true],
    ],
  );
});

test('what hosts say of addresses is told apart by who says it, and whether it was asked for', () => {
  const { ear, messages } = waiting();
  const heard = new Heard(new Set([DIRECTOR.mac]));
  ear.hear(2, announcement(VIP, REAL1.mac), 1);
  ear.hear(2, announcement(VIP, DIRECTOR.mac), 2);
  ear.hear(2, whoHas(CLIENT.address, { mac: REAL1.mac, address: VIP }), 3);
  ear.hear(2, whoHas(VIP, { mac: CLIENT.mac, address: CLIENT.address }), 4);
  messages.forEach((each) => {
    heard.add(each);
  });
  assert.equal(messages.length, 4);
  assert.deepEqual(heard.macsOf(VIP, 'ens3'), [REAL1.mac]);
  assert.deepEqual(heard.macsOf(VIP, 'ens4'), []);
  assert.deepEqual(
    heard.unasked(VIP).map(({ kind, at }) => [kind, at]),
    [
      ['says', 1],
      ['asks', 3],
    ],
  );
});

/** As many VIPs and real servers as are asked for, each VIP on each. */
function crowd(vips: number, realServers: number): Targets {
  const addresses = Array.from({ length: realServers }, (_, i) => ip(`10.1.${i >> 8}.${i & 255}`));
  const services = Array.from({ length: vips }, (_, i) => ({
    ...({ address: ip(`10.2.0.${i}`), port: 80, protocol: 'tcp', scheduler: 'rr' } as const),
    destinations: addresses.map((address) => ({ address, weight: 1 })),
  }));
  const routes = new Map<IpAddress, { kind: 'unicast'; interface: string; prefixLength: number }>(
    addresses.map((each) => [each, { kind: 'unicast', interface: 'ens3', prefixLength: 16 }]),
  );
  const base = parseConfig('interfaces: [ens3]\nservices: []\n', 'beeline.yaml');
  const network: NetworkFacts = { ...NETWORK, routes };
  return targetsOf({ ...base, services: services }, network, []);
}

test('no more is asked than one examination may send, each VIP and each real server is asked, and what is left out is told', () => {
  const { realServers, notLookedAt } = crowd(100, 1_000);
  const packets = realServers.reduce((sum, { vips }) => sum + 5 + vips.length * 2, 0);
  assert.ok(packets < MOST_PROBES && packets > MOST_PROBES / 2, `${packets} packets`);
  assert.ok(realServers.every(({ vips }) => vips.length > 0));
  assert.equal(new Set(realServers.flatMap(({ vips }) => vips.map(({ vip }) => vip))).size, 100);
  assert.match(notLookedAt[0]!.what, /^\d+ of 100000 VIPs on real servers$/);
  assert.deepEqual(crowd(10, 1_00).notLookedAt, []);
});

const target = (services: string, network: Partial<NetworkFacts> = {}, top = ''): Targets =>
  targetsOf(
    parseConfig(`interfaces: [ens3, ens4]\n${top}services:\n${services}`, 'beeline.yaml'),
    { ...NETWORK, ...network },
    [
      { address: CLIENT.address, interface: 'ens3', mac: CLIENT.mac },
      { address: REAL1.address, interface: 'ens3', mac: REAL1.mac },
      { address: ip('10.0.0.5'), interface: 'ens9', mac: CLIENT.mac },
      { address: ip('ff02::1:ff00:31'), interface: 'ens3', mac: mac('33:33:ff:00:00:31') },
    ],
  );

const SERVICE = '  - { address: 192.168.1.100, port: 80, protocol: tcp, scheduler: rr, realServers: [192.168.1.31] }\n';

test('clients and routers beside real servers are asked, and neither real servers nor groups among them', () => {
  const { neighbours, vipsHere, vips } = target(SERVICE);
  assert.deepEqual(
    neighbours.map(({ address }) => address),
    [CLIENT.address],
  );
  assert.deepEqual(vipsHere, [VIP]);
  assert.deepEqual(vips, [{ vip: VIP, interfaces: ['ens3'] }], 'ens4 is not there');
});

test('an interface that is down is not asked by, and a VIP above one is asked for there', () => {
  const links = NETWORK.links.map((each) => ({ ...each, up: false }));
  assert.deepEqual(target(SERVICE, { links }).vips, [{ vip: VIP, interfaces: [] }]);
  const macvlan = { ...NETWORK.links[0]!, name: 'vrrp.51', ifindex: 8, mac: mac('00:00:5e:00:01:33') };
  const addresses = NETWORK.addresses.map((each) => (each.address === VIP ? { ...each, interface: 'vrrp.51' } : each));
  const { vips } = target(SERVICE, { links: [...NETWORK.links, macvlan], addresses });
  assert.deepEqual(vips, [{ vip: VIP, interfaces: ['ens3', 'vrrp.51'] }]);
});

test('a real server with a configured MAC is asked by its interface, one on a VLAN of tags is told as not looked at', () => {
  const given = target(
    SERVICE.replace('192.168.1.31', '{ address: 10.9.9.9, mac: "02:00:00:00:00:01", interface: ens4 }'),
  );
  assert.deepEqual(
    given.realServers.map((each) => [each.interface, each.mac]),
    [['ens4', '02:00:00:00:00:01']],
  );
  const vlan = target(SERVICE.replace('192.168.1.31', '{ address: 10.9.9.9, vlan: 20 }'));
  assert.deepEqual(vlan.realServers, []);
  assert.match(vlan.notLookedAt[0]!.what, /10\.9\.9\.9/);
});

test('other directors are asked for by address, and known by MAC', () => {
  const other = ip('192.168.1.22');
  const routes = new Map([
    ...NETWORK.routes,
    [other, { kind: 'unicast', interface: 'ens3', prefixLength: 24 }] as const,
  ]);
  const { directors, directorMacs } = target(SERVICE, { routes }, 'directors: [192.168.1.22, "02:00:00:00:00:09"]\n');
  assert.deepEqual(directors, [{ address: other, interface: 'ens3' }]);
  assert.deepEqual(directorMacs, ['02:00:00:00:00:09']);
});

test('a mark’s service is asked at the address and port of its rule', () => {
  const rule = 'tcp:192.168.1.100:443';
  const marks = `marks:\n  - { mark: 7, match: ["${rule}"], scheduler: rr, realServers: [192.168.1.31] }\n`;
  const marked = target('  []\n', {}, marks);
  assert.deepEqual(
    marked.realServers.map(({ vips }) => vips.map(({ vip, ports }) => [vip, ports.map(({ port }) => port)])),
    [[[VIP, [443]]]],
  );
});

test('no services, nothing to ask', () => {
  const { vips, realServers, vipsHere } = target('  []\n');
  assert.deepEqual([vips, realServers, vipsHere], [[], [], []]);
});
