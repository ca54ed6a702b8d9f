/** `beeline explain` as it looks, what it takes for an endpoint or a capture, and what frames say of themselves. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { formatExplanation, formatPackets } from '../../../src/cli/commands/explain/text.js';
import { beeline } from '../../../src/cli/program.js';
import { coloured } from '../../../src/cli/terminal/colour.js';
import type { ExplainedFlow, ExplainReport } from '../../../src/control/index.js';
import { VERDICT_WORDS, VERDICTS } from '../../../src/layout/index.js';
import {
  buildFrame,
  fragmentHeader,
  icmpError,
  ipv4Fragment,
  readCapture,
  replyBeginning,
  summarizeFrame,
  tagged,
  withExtensions,
} from '../../../src/packet/index.js';
import { DISAGREEING, EXPLAINED } from '../../support/fake-daemon.js';

test('a packet that is forwarded is told in a line for each step', () => {
  assert.equal(
    formatExplanation(EXPLAINED),
    'packet       tcp SYN 192.168.1.12:40000 > 192.168.1.100:80, to 00:50:00:00:04:00 (ens3)\n' +
      'service      tcp 192.168.1.100:80, maglev, 2 real servers\n' +
      'flow         not known; a SYN is not remembered with maglev\n' +
      'slot         517 of 1024 -> 192.168.1.32\n' +
      'real server  192.168.1.32, weight 1, at 00:50:00:00:02:00\n' +
      'frame        00:50:00:00:04:00 > 00:50:00:00:02:00\n' +
      'verdict      forwarded (sent back out of ens3)\n' +
      'oracle       agrees\n',
  );
});

/** One line of what is said, when the report is another in one part. */
function line(label: string, changes: Partial<ExplainReport>): string | undefined {
  const text = formatExplanation({ ...EXPLAINED, ...changes });
  return text
    .split('\n')
    .find((each) => each.startsWith(label))
    ?.slice(13);
}

const flow = (changes: Partial<ExplainedFlow>): Partial<ExplainReport> => ({
  flow: { ...EXPLAINED.flow!, ...changes },
});

test('what is known of a flow, and what becomes of it, is said in one line', () => {
  const known = { state: 'ESTABLISHED', idleSeconds: 3, server: '192.168.1.31' };
  const cases: readonly (readonly [Partial<ExplainReport>, string | undefined])[] = [
    [flow({ known }), 'known: ESTABLISHED, last packet 3 s ago, at 192.168.1.31'],
    [
      flow({ known: { state: 'SYN_RECV', idleSeconds: 0 }, next: 'ESTABLISHED' }),
      'known: SYN_RECV, last packet just now; becomes ESTABLISHED',
    ],
    [flow({ event: 'ack', stored: 'ESTABLISHED' }), 'not known; would be remembered as ESTABLISHED'],
    [
      flow({ stored: 'SYN_RECV', displaces: { state: 'SYN_RECV', idleSeconds: 61 } }),
      'not known; would be remembered as SYN_RECV, and would replace another (SYN_RECV, last packet 1 min 1 s ago)',
    ],
    [flow({ noRoom: true }), 'not known, and there is no room for an entry'],
    [flow({ event: 'rst' }), 'not known, and not remembered'],
    [
      { ...flow({ sought: false }), service: { ...EXPLAINED.service!, remembers: 'moved' } },
      'not looked up: no change touched its slot',
    ],
    [
      { ...flow({ sought: false }), service: { ...EXPLAINED.service!, remembers: 'none' } },
      'not looked up: each packet is scheduled by itself',
    ],
    [{ ...flow({ sought: false }), destination: undefined }, undefined],
  ];
  for (const [changes, expected] of cases) {
    assert.equal(line('flow', changes), expected);
  }
});

test('slots say who is full, who comes next, and what a change left', () => {
  const slot = EXPLAINED.slot!;
  assert.equal(
    line('slot', { slot: { ...slot, full: true, lookedOn: 2 } }),
    '517 of 1024 -> 192.168.1.32, which has reached its upper threshold, the real server 2 slots further takes it',
  );
  assert.equal(
    line('slot', { slot: { ...slot, moved: true, previous: '192.168.1.31' } }),
    '517 of 1024 -> 192.168.1.32, moved from 192.168.1.31',
  );
  assert.equal(
    line('slot', { slot: { ...slot, moved: true } }),
    '517 of 1024 -> 192.168.1.32, moved by an earlier change',
  );
});

test('a way out with tags, through another interface, or to this host is told as such', () => {
  const sent = { ...EXPLAINED.sent!, interface: 'ens4', vlans: [100, 20] };
  assert.equal(line('frame', { sent }), '00:50:00:00:04:00 > 00:50:00:00:02:00, VLAN 100 in 20');
  assert.equal(line('verdict', { sent, verdict: 'redirected' }), 'redirected (sent out of ens4)');
  const local = { ...EXPLAINED.destination!, local: true, mac: undefined, by: 'flow' } as const;
  assert.equal(
    line('real server', { destination: local }),
    "192.168.1.32, weight 1, this host, as in the flow's entry",
  );
  assert.equal(line('frame', { sent: undefined }), undefined);
  assert.equal(
    line('verdict', { sent: undefined, verdict: 'ttl', reason: VERDICT_WORDS.ttl }),
    `ttl (${VERDICT_WORDS.ttl})`,
  );
});

test('an ICMP error is told with the flow that it is about', () => {
  const packet = {
    ...EXPLAINED.packet,
    protocol: 'icmp',
    sourcePort: undefined,
    destinationPort: undefined,
    flags: undefined,
  };
  assert.equal(line('packet', { packet }), 'icmp 192.168.1.12 > 192.168.1.100, to 00:50:00:00:04:00 (ens3)');
  assert.equal(line('about', { packet }), 'the flow tcp 192.168.1.12:40000, virtual port 80');
});

test('a disagreement says both, and stands out', () => {
  assert.match(formatExplanation(DISAGREEING), /^oracle +DISAGREES: verdict forwarded, oracle no-flow$/m);
  assert.match(formatExplanation(DISAGREEING, coloured), /\x1b\[31mDISAGREES/);
});

test("a capture's packets are a line each, the title above the first page alone", () => {
  const packets = [
    { number: 1, report: EXPLAINED },
    { number: 12, report: { ...DISAGREEING, destination: undefined } },
  ];
  const lines = [
    '    #  PACKET                                              VERDICT         REAL SERVER\n',
    '    1  tcp SYN 192.168.1.12:40000 > 192.168.1.100:80       forwarded       192.168.1.32\n',
    '   12  tcp SYN 192.168.1.12:40000 > 192.168.1.100:80       forwarded         oracle DISAGREES\n',
  ];
  assert.equal(formatPackets(packets, true).replaceAll(/ +/g, ' '), lines.join('').replaceAll(/ +/g, ' '));
  assert.equal(formatPackets(packets, false).split('\n').length, 3);
});

test('every verdict has its words, and its line in docs/verdicts.md', () => {
  const page = readFileSync('docs/verdicts.md', 'utf8');
  for (const verdict of VERDICTS) {
    assert.ok(VERDICT_WORDS[verdict].length > 10, verdict);
    assert.ok(page.includes(`\`${verdict}\``), verdict);
  }
});

const PLAIN = {
  destinationMac: '00:50:00:00:04:00',
  sourceMac: '00:50:00:00:03:00',
  source: '192.168.1.12',
  destination: '192.168.1.100',
  protocol: 'tcp',
  sourcePort: 40_000,
  destinationPort: 80,
} as const;

test('frames are told by their addresses, ports, flags, tags and fragments', () => {
  const ends = { source: '192.168.1.12', destination: '192.168.1.100' };
  const macs = { destinationMac: PLAIN.destinationMac, sourceMac: PLAIN.sourceMac };
  const ports = { sourcePort: 40_000, destinationPort: 80 };
  const syn = buildFrame({ ...PLAIN, flags: 0x12 });
  const tcp = { ...macs, ...ends, ...ports, protocol: 'tcp' };
  assert.deepEqual(summarizeFrame(syn), { ...tcp, bytes: 60, vlans: [], flags: ['SYN', 'ACK'] });
  assert.deepEqual(summarizeFrame(tagged(tagged(syn, 0x8100, 0x2014), 0x88a8, 100)).vlans, [100, 20]);
  const udp = buildFrame({ ...PLAIN, protocol: 'udp' });
  assert.deepEqual(summarizeFrame(ipv4Fragment(udp, 0, true, 5)).fragment, 'first');
  const later = summarizeFrame(ipv4Fragment(udp, 1480, false, 5));
  assert.deepEqual([later.fragment, later.sourcePort], ['later', undefined]);
  const quoted = replyBeginning(ends.destination, 80, ends.source, 40_000, 6, 8);
  const icmp = summarizeFrame(icmpError({ ...macs, router: '10.9.9.9', vip: ends.destination, type: 3, quoted }));
  assert.deepEqual([icmp.protocol, icmp.source, icmp.sourcePort], ['icmp', '10.9.9.9', undefined]);
  const six = buildFrame({ ...PLAIN, source: 'fd00::12', destination: 'fd00::100' });
  const extended = withExtensions(six, [{ number: 60, rest: [0, 1, 4, 0, 0, 0, 0] }, fragmentHeader(0, true, 7)]);
  const { source, protocol, destinationPort, fragment } = summarizeFrame(extended);
  assert.deepEqual([source, protocol, destinationPort, fragment], ['fd00::12', 'tcp', 80, 'first']);
});

test('a frame that is cut anywhere, or is no IP packet, is told as far as it goes', () => {
  const frame = withExtensions(buildFrame({ ...PLAIN, source: 'fd00::12', destination: 'fd00::100' }), [
    { number: 60, rest: [0, 1, 4, 0, 0, 0, 0] },
  ]);
  for (let length = 14; length <= frame.length; length += 1) {
    assert.equal(summarizeFrame(tagged(frame, 0x8100, 5).subarray(0, length)).bytes, length);
  }
  assert.equal(summarizeFrame(new Uint8Array(14)).source, undefined);
});

/** A pcap file, in either byte order, with microseconds or nanoseconds. */
function pcap(frames: readonly Uint8Array[], littleEndian: boolean, magic = 0xa1b2c3d4, linkType = 1): Uint8Array {
  const bytes = new Uint8Array(24 + frames.reduce((sum, { length }) => sum + 16 + length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, littleEndian);
  view.setUint32(20, linkType, littleEndian);
  let at = 24;
  for (const frame of frames) {
    view.setUint32(at + 8, frame.length, littleEndian);
    view.setUint32(at + 12, frame.length, littleEndian);
    bytes.set(frame, at + 16);
    at += 16 + frame.length;
  }
  return bytes;
}

/** A block of pcapng: its body padded to four bytes. */
function block(type: number, body: readonly number[], littleEndian: boolean): number[] {
  const padded = [...body, ...new Array<number>(-body.length & 3).fill(0)];
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, type, littleEndian);
  view.setUint32(4, padded.length + 12, littleEndian);
  const [head, length] = [[...new Uint8Array(view.buffer)], [...new Uint8Array(view.buffer, 4)]];
  return [...head, ...padded, ...length];
}

function pcapng(frames: readonly Uint8Array[], littleEndian: boolean): Uint8Array {
  const word = (value: number): number[] => {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value, littleEndian);
    return [...new Uint8Array(view.buffer)];
  };
  const half = (value: number): number[] => word(littleEndian ? value : value << 16).slice(0, 2);
  const section = [...word(0x1a2b3c4d), ...half(1), ...half(0), ...new Array<number>(8).fill(0xff)];
  return Uint8Array.from([
    ...block(0x0a0d0d0a, section, littleEndian),
    ...block(1, [...half(1), ...half(0), ...word(0)], littleEndian),
    // A block of a type that says nothing here: statistics.
    ...block(5, word(0), littleEndian),
    ...frames.flatMap((frame, i) =>
      i % 2 === 0
        ? block(
            6,
            [...word(0), ...word(0), ...word(0), ...word(frame.length), ...word(frame.length), ...frame],
            littleEndian,
          )
        : block(3, [...word(frame.length), ...frame], littleEndian),
    ),
  ]);
}

const FRAMES = [buildFrame(PLAIN), buildFrame({ ...PLAIN, payload: new Uint8Array(41) })];

test('captures of every byte order and either form are read', () => {
  for (const littleEndian of [true, false]) {
    for (const file of [
      pcap(FRAMES, littleEndian),
      pcap(FRAMES, littleEndian, 0xa1b23c4d),
      pcapng(FRAMES, littleEndian),
    ]) {
      const read = [...readCapture(file)];
      assert.deepEqual(
        read.map(({ number }) => number),
        [1, 2],
      );
      assert.deepEqual(
        read.map(({ frame }) => Buffer.from(frame!)),
        FRAMES.map((frame) => Buffer.from(frame)),
      );
    }
  }
});

test('captures without Ethernet headers are given some; frames of another kind are not guessed at', () => {
  const macs = FRAMES[0]!.slice(0, 12);
  const [raw] = [...readCapture(pcap([FRAMES[0]!.subarray(14)], true, undefined, 101), macs)];
  assert.deepEqual(Buffer.from(raw!.frame!), Buffer.from(FRAMES[0]!));
  const cooked = Uint8Array.of(...new Uint8Array(14), ...FRAMES[0]!.subarray(12));
  const [any] = [...readCapture(pcap([cooked], true, undefined, 113), macs)];
  assert.deepEqual(Buffer.from(any!.frame!), Buffer.from(FRAMES[0]!));
  assert.deepEqual(
    [...readCapture(pcap(FRAMES, true, undefined, 127))],
    [
      { number: 1, frame: undefined },
      { number: 2, frame: undefined },
    ],
  );
});

test('a capture that is cut anywhere ends with the last whole packet, and noise is refused', () => {
  for (const file of [pcap(FRAMES, true), pcapng(FRAMES, true)]) {
    for (let length = 24; length < file.length; length += 1) {
      const read = [...readCapture(file.subarray(0, length))];
      assert.ok(read.length < FRAMES.length + 1);
      read.forEach(({ frame }, i) => {
        assert.equal(frame?.length, FRAMES[i]!.length);
      });
    }
  }
  assert.throws(() => [...readCapture(new Uint8Array(100))], RangeError);
  assert.throws(() => [...readCapture(new Uint8Array(3))], RangeError);
});

test('what is no endpoint, no flag and no VLAN is refused before anything is asked', async () => {
  for (const args of [
    ['192.168.1.300', '192.168.1.100'],
    ['192.168.1.12:99999', '192.168.1.100'],
    ['[fd00::12', 'fd00::100'],
    ['192.168.1.12', '192.168.1.100', '--flags', 'constructor'],
    ['192.168.1.12', '192.168.1.100', '--vlan', '4095'],
    ['--limit', '0'],
  ]) {
    const program = (await beeline()).configureOutput({ writeErr: () => undefined });
    program.commands.forEach((command) => command.configureOutput({ writeErr: () => undefined }));
    await assert.rejects(
      program.parseAsync(['node', 'beeline', 'explain', ...args]),
      { code: 'commander.invalidArgument' },
      args.join(' '),
    );
  }
  for (const args of [[], ['192.168.1.12'], ['192.168.1.12', 'fd00::100'], ['192.168.1.12', '--pcap', 'x']]) {
    await assert.rejects(
      (await beeline()).parseAsync(['node', 'beeline', 'explain', ...args]),
      { code: 'USAGE' },
      args.join(' '),
    );
  }
});
