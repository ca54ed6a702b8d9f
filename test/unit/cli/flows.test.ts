/** `beeline flows` and `beeline drain` as they look, and what they take for a service or a length of time. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { duration } from '../../../src/cli/arguments.js';
import { formatDrain } from '../../../src/cli/terminal/drains.js';
import { formatFlows, formatSummary } from '../../../src/cli/commands/flows.js';
import type { FlowReport } from '../../../src/control/index.js';
import { ip, parseServiceName, serviceName } from '../../../src/model/index.js';

const FLOW: FlowReport = {
  protocol: 'tcp',
  client: ip('192.168.1.12'),
  clientPort: 41_852,
  service: 'tcp 192.168.1.100:80',
  vip: ip('192.168.1.100'),
  port: 80,
  realServer: ip('192.168.1.31'),
  state: 'ESTABLISHED',
  idleSeconds: 3,
  expiresSeconds: 897,
};

test('each flow has one line, and only the first page a title', () => {
  const flows = [
    FLOW,
    { ...FLOW, client: ip('fd00::12'), vip: ip('fd00::100'), realServer: ip('fd00::31'), expiresSeconds: 0 },
  ];
  const lines = [
    'PROTO  CLIENT                 SERVICE                REAL SERVER      STATE        EXPIRES\n',
    'tcp    192.168.1.12:41852     192.168.1.100:80       192.168.1.31     ESTABLISHED    14:57\n',
    'tcp    [fd00::12]:41852       [fd00::100]:80         fd00::31         ESTABLISHED    00:00\n',
  ];
  assert.equal(formatFlows(flows, true), lines.join(''));
  assert.equal(formatFlows(flows, false), lines.slice(1).join(''));
  assert.equal(formatFlows([], true), '');
});

test('a summary counts by state, names the busiest, and says how full the tables are', () => {
  const table = {
    family: 'IPv4',
    entries: 1000,
    most: 4000,
    used: 250,
    full: false,
    fullBuckets: 1,
    bytes: 16_000,
  } as const;
  const summary = {
    states: { SYN_RECV: 2, ESTABLISHED: 1200 },
    topClients: [{ client: ip('192.168.1.12'), flows: 1202 }],
    tables: [table],
    stored: 5000,
    evicted: 3,
    refused: 0,
  };
  assert.equal(
    formatSummary(summary),
    'STATE        FLOWS\nESTABLISHED  1,200\nSYN_RECV         2\n\n' +
      'CLIENT        FLOWS\n192.168.1.12  1,202\n\n' +
      'IPv4: 250 of 1,000 entries in use (25.0%), 1 bucket full; at most 4,000 entries, 16.0 kB\n' +
      'stored 5,000, evicted 3, found no room 0\n',
  );
  assert.match(formatSummary({ ...summary, states: {}, topClients: [], tables: [] }), /^no flows\n/);
  assert.match(
    formatSummary({ ...summary, tables: [{ ...table, used: 950, full: true }] }),
    /^IPv4: full: 950 of 1,000 entries in use/m,
  );
});

test('a drain says how many flows are left, whether some may be silent, and how long it will take at most', () => {
  const report = {
    service: 'tcp 192.168.1.100:80',
    realServer: ip('192.168.1.31'),
    flows: 2,
    uncertain: false,
    removed: false,
  };
  assert.equal(formatDrain(report, 0), '192.168.1.31 of tcp 192.168.1.100:80: 2 flows left');
  assert.equal(
    formatDrain({ ...report, flows: 1, uncertain: true, deadline: 61_000 }, 1000),
    '192.168.1.31 of tcp 192.168.1.100:80: 1 flow left, and those that have been silent since the drain began, removed in 1 min 0 s at the latest',
  );
  assert.equal(
    formatDrain({ ...report, removed: true }, 0),
    '192.168.1.31 was removed from tcp 192.168.1.100:80; 2 flows moved to other real servers',
  );
  assert.equal(
    formatDrain({ ...report, flows: 0, removed: true }, 0),
    '192.168.1.31 was removed from tcp 192.168.1.100:80',
  );
});

test('services are parsed in every usual spelling, and nothing else is accepted', () => {
  for (const [text, name] of [
    ['192.168.1.100:80', 'tcp 192.168.1.100:80'],
    ['tcp 192.168.1.100:80', 'tcp 192.168.1.100:80'],
    ['UDP/192.168.1.100:53', 'udp 192.168.1.100:53'],
    ['[fd00:0::100]:80', 'tcp [fd00::100]:80'],
    ['udp [fd00::100]:0', 'udp [fd00::100]:0'],
  ] as const) {
    assert.equal(serviceName(parseServiceName(text)!), name);
  }
  for (const text of [
    '',
    '80',
    '192.168.1.100',
    '192.168.1.100:65536',
    'fd00::100:80',
    'sctp 10.0.0.1:80',
    '10.0.0.1:x',
  ]) {
    assert.equal(parseServiceName(text), undefined, text);
  }
});

test('a duration has a unit, or is in seconds', () => {
  assert.deepEqual(['90', '90s', '10m', '2h', '500ms'].map(duration), [90_000, 90_000, 600_000, 7_200_000, 500]);
  for (const text of ['', 'm', '-1s', '1d', '1.5h', '10 m']) {
    assert.throws(() => duration(text), { code: 'USAGE' }, text);
  }
});
