/** The doctor's checks of the configuration: each mistake is found, and what looks like it and is none is not. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { EXAMPLE } from '../../../src/config/index.js';
import type { FlowReport, FlowSummary, StatusReport } from '../../../src/control/index.js';
import { diagnose, type DirectorFacts, type Finding } from '../../../src/doctor/index.js';
import { ip } from '../../../src/model/index.js';
import { directorFacts } from '../../support/facts.js';

function findings(director: DirectorFacts): Finding[] {
  return [...diagnose({ director, notLookedAt: [] }).findings];
}

/** One service with two real servers. @param policy YAML's flow style */
function service(policy: string, realServers = '192.168.1.31, 192.168.1.32', port = 80): string {
  return `  - { address: 192.168.1.100, port: ${port}${policy === '' ? '' : `, ${policy}`}, realServers: [${realServers}] }\n`;
}

const configOf = (...services: readonly string[]): string => `interfaces: [ens3]\nservices:\n${services.join('')}`;

/** "severity check" of each finding. */
function found(...services: readonly string[]): string[] {
  return findings(directorFacts(configOf(...services))).map(({ severity, check }) => `${severity} ${check}`);
}

const WEIGHTED = '{ address: 192.168.1.31, weight: 3 }, { address: 192.168.1.32, weight: 1 }';

test('configurations of the documentation have nothing wrong', () => {
  const names = readdirSync('docs', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  const pages = ['README.md', ...names.map((name) => join('docs', name))];
  const blocks = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/```(?:yaml)?\n([^`]*?^services:[^]*?)```/gm)].map(([, text]) => ({
      page,
      text: text!,
    })),
  );
  assert.ok(blocks.length >= 6, String(blocks.length));
  for (const { page, text } of [...blocks, { page: 'the manual', text: EXAMPLE }]) {
    // Some are parts of a file; before others stands the command that made them.
    const [, whole] = /(^interfaces:[^]*)/m.exec(text) ?? [];
    assert.deepEqual(findings(directorFacts(whole ?? `interfaces: [ens3]\n${text}`)), [], page);
  }
});

for (const [scheduler, expected] of [
  ['rr', ['warning weights-ignored']],
  ['lc', ['warning weights-ignored']],
  ['wrr', []],
  ['wlc', []],
  ['maglev', []],
] as const) {
  test(`different weights under ${scheduler}: ${expected.join() || 'nothing'}`, () => {
    assert.deepEqual(found(service(`scheduler: ${scheduler}`, WEIGHTED)), expected);
  });
}

test('weights that rr does not need to look at: all the same, or 0 for one that drains', () => {
  const same = WEIGHTED.replace('weight: 1', 'weight: 3');
  assert.deepEqual(found(service('scheduler: rr', same)), []);
  const draining = `${WEIGHTED.replace('weight: 1', 'weight: 0')}, { address: 192.168.1.33, weight: 3 }`;
  assert.deepEqual(found(service('scheduler: rr', draining)), []);
});

test('a service that nobody takes flows of is an error, unless it has a fallback', () => {
  const zero = '{ address: 192.168.1.31, weight: 0 }, { address: 192.168.1.32, weight: 0 }';
  assert.deepEqual(found(service('', zero)), ['error service-without-takers']);
  assert.deepEqual(found(service('', '')), ['error service-without-takers']);
  assert.deepEqual(found(service('health: { checks: tcp, fallback: 192.168.1.50 }', zero)), []);
});

test('one real server alone is a note, one for all such services', () => {
  const one = findings(directorFacts(configOf(service('', '192.168.1.31'), service('', '192.168.1.31', 443))));
  assert.deepEqual(
    one.map(({ severity, text }) => `${severity} ${text}`),
    ['note tcp 192.168.1.100:80, tcp 192.168.1.100:443 have one real server each, and no fallback'],
  );
  assert.equal(diagnose({ director: directorFacts(configOf(service('', '192.168.1.31'))), notLookedAt: [] }).status, 0);
  assert.deepEqual(found(service('health: { checks: tcp, fallback: 192.168.1.50 }', '192.168.1.31')), []);
});

test('a larger real server with a lower threshold is found; proportions, and no threshold, are not', () => {
  const servers = (heavy: string, light: string): string =>
    `{ address: 192.168.1.31, weight: 3${heavy} }, { address: 192.168.1.32, weight: 1${light} }`;
  const of = (heavy: number, light: number): string =>
    servers(`, upperThreshold: ${heavy}`, `, upperThreshold: ${light}`);
  assert.deepEqual(found(service('', of(100, 200))), ['warning threshold-mismatch']);
  assert.deepEqual(found(service('', of(300, 100))), []);
  assert.deepEqual(found(service('', of(100, 100))), []);
  assert.deepEqual(found(service('', servers(', upperThreshold: 1000', ''))), []);
});

test('persistence under sh is said twice; with ports or a mask, or under another scheduler, it is not', () => {
  assert.deepEqual(found(service('scheduler: sh, persistence: 300')), ['note persistence-twice']);
  assert.deepEqual(found(service('scheduler: sh, flags: [sh-port], persistence: 300')), []);
  const mask = 'persistence: { timeout: 300, mask: 255.255.255.0 }';
  assert.deepEqual(found(service(`scheduler: sh, ${mask}`)), []);
  assert.deepEqual(found(service('persistence: 300')), []);
});

test('ports 80 and 443 that keep clients each for itself are named; other real servers, or one of them alone, are not', () => {
  const both = (other: string, servers?: string): string[] =>
    found(service('scheduler: wlc, persistence: 300'), service(other, servers, 443));
  assert.deepEqual(both('scheduler: wlc, persistence: 300'), ['note persistence-apart']);
  assert.deepEqual(both('scheduler: wlc'), []);
  assert.deepEqual(both('scheduler: wlc, persistence: 300', '192.168.1.41, 192.168.1.42'), []);
});

test('all ports without persistence is a mistake; with it, by a hash of the address, or with one real server, it is none', () => {
  assert.deepEqual(found(service('', undefined, 0)), ['warning all-ports-apart']);
  assert.deepEqual(found(service('persistence: 300', undefined, 0)), []);
  assert.deepEqual(found(service('scheduler: sh', undefined, 0)), []);
  assert.deepEqual(found(service('scheduler: sh, flags: [sh-port]', undefined, 0)), ['warning all-ports-apart']);
});

test('a database under wlc is forgotten before its keepalive; a web server, a hash, and longer timeouts are not meant', () => {
  const database = (policy: string, port = 5432): string[] => found(service(policy, undefined, port));
  assert.deepEqual(database('scheduler: wlc'), ['warning idle-timeouts']);
  assert.deepEqual(database('scheduler: wlc', 80), []);
  assert.deepEqual(database(''), []);
  assert.deepEqual(database('scheduler: wlc, timeouts: { established: 7200 }'), []);
  assert.deepEqual(database('scheduler: wlc, persistence: 6300'), []);
  assert.deepEqual(database('scheduler: wlc, protocol: udp, timeouts: { udp: 60 }', 51_820), ['warning idle-timeouts']);
  assert.deepEqual(database('scheduler: wlc, protocol: udp', 51_820), []);
  assert.deepEqual(database('scheduler: wlc, protocol: udp, onePacket: true', 5060), []);
});

test('checks that notice late are notes; the defaults, and what other programs have, are not', () => {
  const health = (text: string): string[] => found(service(`health: ${text}`));
  assert.deepEqual(health('{ checks: tcp, interval: 30, fall: 3, timeout: 30 }'), ['note check-times']);
  assert.deepEqual(health('{ checks: tcp, interval: 1, timeout: 3 }'), []);
  assert.deepEqual(health('{ checks: tcp }'), []);
  assert.deepEqual(health('{ checks: [tcp, { type: http, every: 10 }], interval: 2, timeout: 1, fall: 3 }'), []);
});

test('without health checks there is a note after an hour, unless commands do their work', () => {
  const after = (uptimeMs: number, changes: number, policy = ''): string[] => {
    const status = { uptimeMs, changes, problems: [] } as unknown as StatusReport;
    return findings({ ...directorFacts(configOf(service(policy))), status }).map(({ check }) => check);
  };
  assert.deepEqual(after(7_200_000, 0), ['no-health-checks']);
  assert.deepEqual(after(7_200_000, 0, 'health: tcp'), []);
  assert.deepEqual(after(7_200_000, 2), []);
  assert.deepEqual(after(60_000, 0), []);
});

test('an address with most of the flows, all at one real server, is a warning; spread, few or among others, it is none', () => {
  const client = ip('192.0.2.1');
  const flow = (realServer: string): FlowReport =>
    ({ client, clientPort: 1_000, service: 'tcp 192.168.1.100:80', realServer }) as unknown as FlowReport;
  const of = (policy: string, most: number, all: number, servers: readonly string[]): string[] => {
    const summary = { states: { ESTABLISHED: all }, topClients: [{ client, flows: most }] } as unknown as FlowSummary;
    const ofTopClient = servers.map(flow);
    return findings({ ...directorFacts(configOf(service(policy))), flows: { summary, ofTopClient } }).map(
      ({ check }) => check,
    );
  };
  const one = ['192.168.1.31', '192.168.1.31'];
  const name = 'one-client-most-flows';
  assert.deepEqual(of('scheduler: wlc, persistence: 300', 800, 1_000, one), [name]);
  assert.deepEqual(of('scheduler: sh', 800, 1_000, one), [name]);
  assert.deepEqual(of('scheduler: wlc', 800, 1_000, one), []);
  assert.deepEqual(of('scheduler: sh', 300, 1_000, one), []);
  assert.deepEqual(of('scheduler: sh', 80, 100, one), []);
  assert.deepEqual(of('scheduler: sh', 800, 1_000, ['192.168.1.31', '192.168.1.32']), []);
});
