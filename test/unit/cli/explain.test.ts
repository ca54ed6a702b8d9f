/** `beeline explain` as it looks, and what it takes for an endpoint. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { formatExplanation, formatPackets } from '../../../src/cli/commands/explain/text.js';
import { beeline } from '../../../src/cli/program.js';
import { coloured } from '../../../src/cli/terminal/colour.js';
import type { ExplainedFlow, ExplainReport } from '../../../src/control/index.js';
import { VERDICT_WORDS, VERDICTS } from '../../../src/layout/index.js';
import { ip } from '../../../src/model/index.js';
import { DISAGREEING, EXPLAINED } from '../../support/fake-daemon.js';

test('a forwarded packet is explained in one line for each step', () => {
  assert.equal(
    formatExplanation(EXPLAINED),
    'packet       tcp SYN 192.168.1.12:40000 > 192.168.1.100:80, to 00:50:00:00:04:00 (ens3)\n' +
      'service      tcp 192.168.1.100:80, maglev, 2 real servers\n' +
      'flow         not known; a SYN is not remembered with maglev\n' +
      'slot         517 of 1024 -> 192.168.1.32\n' +
      'real server  192.168.1.32, weight 1, at 00:50:00:00:02:00\n' +
      'frame        00:50:00:00:04:00 > 00:50:00:00:02:00\n' +
      'verdict      forwarded (sent back out of ens3)\n',
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

test('the flow that a packet belongs to, and its next state, take one line', () => {
  const known = { state: 'ESTABLISHED', idleSeconds: 3, realServer: ip('192.168.1.31') };
  const cases: readonly (readonly [Partial<ExplainReport>, string | undefined])[] = [
    [flow({ known }), 'known: ESTABLISHED, last packet 3 s ago, at 192.168.1.31'],
    [
      flow({ known: { state: 'SYN_RECV', idleSeconds: 0 }, next: 'ESTABLISHED' }),
      'known: SYN_RECV, last packet just now; becomes ESTABLISHED',
    ],
    [
      flow({ known, next: 'SYN_RECV', turnedAwayBy: 'weight' }),
      'known: ESTABLISHED, last packet 3 s ago, at 192.168.1.31, which takes no new flows (weight 0): the SYN begins another flow; becomes SYN_RECV',
    ],
    [
      flow({ known, turnedAwayBy: 'threshold' }),
      'known: ESTABLISHED, last packet 3 s ago, at 192.168.1.31, which has reached its upper threshold: the SYN begins another flow',
    ],
    [flow({ event: 'ack', stored: 'ESTABLISHED' }), 'not known; would be remembered as ESTABLISHED'],
    [
      flow({ stored: 'SYN_RECV', displaces: { state: 'SYN_RECV', idleSeconds: 61 } }),
      'not known; would be remembered as SYN_RECV, and would replace another (SYN_RECV, last packet 1 min 1 s ago)',
    ],
    [flow({ noRoom: true }), 'not known, and there is no room for an entry'],
    [flow({ noRoom: true, crowded: true }), 'not known, and there is no room for an entry; its hash chooses'],
    [flow({ stored: 'SYN_RECV', crowded: true }), 'not known; would be remembered as SYN_RECV; its hash chooses'],
    [flow({ event: 'rst' }), 'not known, and not remembered'],
    [
      { ...flow({ sought: false }), service: { ...EXPLAINED.service!, remembers: 'moved' } },
      'not looked up: no change touched its slot',
    ],
    [
      { ...flow({ sought: false }), service: { ...EXPLAINED.service!, remembers: 'none' } },
      'not looked up: each packet is scheduled by itself',
    ],
    [{ ...flow({ sought: false }), realServer: undefined }, undefined],
  ];
  for (const [changes, expected] of cases) {
    assert.equal(line('flow', changes), expected);
  }
});

test("a slot's line shows a full real server, the next one, and the previous one", () => {
  const slot = EXPLAINED.slot!;
  assert.equal(
    line('slot', { slot: { ...slot, full: true, lookedOn: 2 } }),
    '517 of 1024 -> 192.168.1.32, which has reached its upper threshold, the real server 2 slots further takes it',
  );
  assert.equal(
    line('slot', { slot: { ...slot, moved: true, previous: ip('192.168.1.31') } }),
    '517 of 1024 -> 192.168.1.32, moved from 192.168.1.31',
  );
  assert.equal(
    line('slot', { slot: { ...slot, moved: true } }),
    '517 of 1024 -> 192.168.1.32, moved by an earlier change',
  );
});

test('delivery with tags, through another interface, or to this host is shown', () => {
  const sent = { ...EXPLAINED.sent!, interface: 'ens4', vlans: [100, 20] };
  assert.equal(line('frame', { sent }), '00:50:00:00:04:00 > 00:50:00:00:02:00, VLAN 100 in 20');
  assert.equal(line('verdict', { sent, verdict: 'redirected' }), 'redirected (sent out of ens4)');
  const local = { ...EXPLAINED.realServer!, local: true, mac: undefined, by: 'flow' } as const;
  assert.equal(line('real server', { realServer: local }), "192.168.1.32, weight 1, this host, as in the flow's entry");
  const silent = { ...local, local: false, waits: 'does not answer ARP or neighbour discovery' };
  assert.equal(
    line('real server', { realServer: silent }),
    "192.168.1.32, weight 1, at no known MAC (does not answer ARP or neighbour discovery), as in the flow's entry",
  );
  assert.equal(line('frame', { sent: undefined }), undefined);
  assert.equal(
    line('verdict', { sent: undefined, verdict: 'ttl', reason: VERDICT_WORDS.ttl }),
    `ttl (${VERDICT_WORDS.ttl})`,
  );
});

test("the director's own answer is shown with its source, and the MTU where it tells one", () => {
  const answer = { from: ip('192.0.2.1'), type: 11, code: 0 };
  const rest = { sent: undefined, reason: VERDICT_WORDS.ttl };
  assert.equal(
    line('verdict', { ...rest, verdict: 'ttl', answer }),
    'ttl (answered with ICMP time exceeded from 192.0.2.1)',
  );
  assert.equal(
    line('verdict', { ...rest, verdict: 'too-long', answer: { ...answer, type: 3, code: 4, mtu: 1400 } }),
    'too-long (answered with ICMP too big, MTU 1400 from 192.0.2.1)',
  );
});

test('an ICMP error is explained with the flow that it quotes', () => {
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

test('a disagreement shows both results, and is highlighted', () => {
  assert.match(formatExplanation(DISAGREEING), /^oracle +DISAGREES: verdict forwarded, oracle no-flow$/m);
  assert.match(formatExplanation(DISAGREEING, coloured), /\x1b\[31mDISAGREES/);
});

test('each packet of a capture has one line, and only the first page a title', () => {
  const packets = [
    { number: 1, report: EXPLAINED },
    { number: 12, report: { ...DISAGREEING, realServer: undefined } },
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

test('wrong endpoints, flags and VLANs are refused before the daemon is asked', async () => {
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
