/** What changes in the surroundings is in the log: by name where there is little, in one line where there is much. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { pino } from 'pino';

import { Lasting } from '../../../src/director/lasting.js';
import { Transitions } from '../../../src/director/transitions.js';
import { compile, type Image } from '../../../src/image/index.js';
import { ip, type IpAddress, type Resolution } from '../../../src/model/index.js';
import { service, worldOf } from '../../support/models.js';

/** Returns a logger, and what it wrote. */
function record(): { log: pino.Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (line: string): void => {
    const { level, msg } = JSON.parse(line) as { level: number; msg: string };
    lines.push(`${pino.levels.labels[level]!}: ${msg}`);
  };
  return { log: pino({}, { write }), lines };
}

const SERVERS = Array.from({ length: 10_000 }, (_, i) => ip(`10.0.${i >> 8}.${i & 255}`));

function imageWith(servers: readonly IpAddress[], unresolved: Readonly<Record<IpAddress, string>>): Image {
  const services = Array.from({ length: Math.ceil(servers.length / 1000) }, (_, i) =>
    service(ip('192.168.1.100'), 80 + i, servers.slice(1000 * i, 1000 * (i + 1)), { scheduler: 'rr' }),
  );
  const except = Object.fromEntries(
    Object.entries(unresolved).map(([address, reason]): [string, Resolution] => [
      address,
      { state: 'unresolved', reason },
    ]),
  );
  return compile({ services }, worldOf(services, except));
}

test('10,000 real servers that do not answer are one line, and one when they do', () => {
  const { log, lines } = record();
  const transitions = new Transitions(log);
  const none = Object.fromEntries(SERVERS.map((address) => [address, 'does not answer']));
  for (let round = 0; round < 3; round += 1) {
    transitions.logStates(new Map(), imageWith(SERVERS, none));
  }
  transitions.logStates(new Map(), imageWith(SERVERS, {}));
  assert.deepEqual(lines, [
    'warn: 10000 real servers: unresolved, does not answer; see "beeline list"',
    'info: 10000 real servers: resolved; see "beeline list"',
  ]);
});

test('real servers that fail for different reasons are a line for each reason, and few are named', () => {
  const { log, lines } = record();
  const transitions = new Transitions(log);
  const servers = SERVERS.slice(0, 20);
  const reasons = servers.map((address, i) => [
    address,
    i < 8 ? 'there is no route to it' : i < 18 ? `no answer of ${address}` : 'does not answer',
  ]);
  const image = imageWith(servers, Object.fromEntries(reasons) as Record<IpAddress, string>);
  transitions.logStates(new Map([['ens3', false]]), image);
  // In whatever order the scheduler has them.
  assert.deepEqual(lines.sort(), [
    'warn: 10 real servers: unresolved, no answer of its address; see "beeline list"',
    'warn: 8 real servers: unresolved, there is no route to it; see "beeline list"',
    'warn: interface ens3: missing',
    `warn: real server ${servers[18]!}: unresolved, does not answer`,
    `warn: real server ${servers[19]!}: unresolved, does not answer`,
  ]);
});

test('a real server whose reason changes to and fro is told of once for each reason, until it was resolved', () => {
  const { log, lines } = record();
  const transitions = new Transitions(log);
  const [server] = SERVERS;
  const reasons = [
    'no room',
    'no answer',
    'no room',
    'no answer',
    undefined,
    undefined,
    'no room',
    'no answer',
    'no room',
  ];
  for (const reason of reasons) {
    transitions.logStates(new Map(), imageWith([server!], reason === undefined ? {} : { [server!]: reason }));
  }
  assert.deepEqual(
    lines.map((line) => line.replace(/at [0-9a-f:]+$/, 'found')),
    ['no room', 'no answer', '', 'no room', 'no answer'].map((reason) =>
      reason === '' ? 'info: real server 10.0.0.0: found' : `warn: real server 10.0.0.0: unresolved, ${reason}`,
    ),
  );
});

test('what fails again and again is told once, again when it fails otherwise, and when it is over', () => {
  const { log, lines } = record();
  const lasting = new Lasting(log, 'it works again');
  for (const reason of ['no room', 'no room', 'no room', 'not allowed', 'not allowed']) {
    lasting.fail(new Error(reason), `cannot do it: ${reason}`);
    assert.equal(lasting.problem, reason);
  }
  lasting.succeed();
  lasting.succeed();
  assert.deepEqual(lines, ['error: cannot do it: no room', 'error: cannot do it: not allowed', 'info: it works again']);
  assert.equal(lasting.problem, undefined);
});

test('a change of a service that moves no real server does not hide the next one that does', () => {
  const { log, lines } = record();
  const transitions = new Transitions(log);
  const [first, second] = SERVERS as unknown as [IpAddress, IpAddress];
  const image = (weight: number, reasons: Readonly<Record<IpAddress, string>>): Image => {
    const services = [service(ip('192.168.1.100'), 80, [first, second], { scheduler: 'rr' })].map((each) => ({
      ...each,
      destinations: each.destinations.map((one) => ({ ...one, weight })),
    }));
    const except = Object.entries(reasons).map(([address, reason]) => [address, { state: 'unresolved', reason }]);
    return compile({ services }, worldOf(services, Object.fromEntries(except) as Record<string, Resolution>));
  };
  transitions.logStates(new Map(), image(1, {}));
  lines.length = 0;
  transitions.logStates(new Map(), image(2, {}));
  transitions.logStates(new Map(), image(3, { [second]: 'does not answer' }));
  transitions.logStates(new Map(), image(4, { [second]: 'does not answer' }));
  assert.deepEqual(lines, [`warn: real server ${second}: unresolved, does not answer`]);
});
