/** Services without protocol or port: one is meant, or none is taken. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { inFull, matching, noService, onlyMatch, wanted } from '../../../src/cli/wanted.js';
import { takeService } from '../../../src/cli/services.js';
import { type AnyServiceKey, ip, serviceName } from '../../../src/model/index.js';

const VIP = ip('192.168.1.100');
const VIP6 = ip('fd00::100');

/** Reports hold more than a key, which must not reach the daemon as one. */
const ALL: readonly (AnyServiceKey & { readonly scheduler: string })[] = [
  { protocol: 'tcp', address: VIP, port: 80, scheduler: 'rr' },
  { protocol: 'tcp', address: VIP, port: 53, scheduler: 'rr' },
  { protocol: 'udp', address: VIP, port: 53, scheduler: 'rr' },
  { protocol: 'udp', address: VIP6, port: 53, scheduler: 'rr' },
  { mark: 7, family: 4, scheduler: 'rr' },
];

test('a service is found by as much of its name as leaves no choice', () => {
  for (const [text, name] of [
    ['192.168.1.100:80', 'tcp 192.168.1.100:80'],
    // TCP is the default wherever it may be meant.
    ['192.168.1.100:53', 'tcp 192.168.1.100:53'],
    ['udp 192.168.1.100', 'udp 192.168.1.100:53'],
    ['udp/192.168.1.100:53', 'udp 192.168.1.100:53'],
    ['fd00::100', 'udp [fd00::100]:53'],
    ['[fd00::100]', 'udp [fd00::100]:53'],
    ['[fd00::100]:53', 'udp [fd00::100]:53'],
    ['UDP [fd00::100]', 'udp [fd00::100]:53'],
    ['fwm 7', 'fwm 7'],
  ] as const) {
    assert.equal(serviceName(onlyMatch(wanted(text), ALL)), name, text);
  }
  assert.deepEqual(onlyMatch(wanted('192.168.1.100:80'), ALL), { protocol: 'tcp', address: VIP, port: 80 });
});

test('a name that leaves a choice, or that no service has, is refused with the names that there are', () => {
  for (const text of ['192.168.1.100', 'tcp 192.168.1.100']) {
    assert.throws(() => onlyMatch(wanted(text), ALL), { code: 'USAGE', hint: /tcp 192\.168\.1\.100:80, tcp .*:53/ });
  }
  for (const text of [
    '192.168.1.100:81',
    'tcp fd00::100',
    '192.168.1.101',
    'udp 192.168.1.100:80',
    'fwm 8',
    'fwm 7 ipv6',
  ]) {
    assert.throws(
      () => onlyMatch(wanted(text), ALL),
      { code: 'SERVICE_UNKNOWN', message: /^there is no service / },
      text,
    );
  }
  assert.equal(noService(wanted('[fd00::101]:53'), []).message, 'there is no service [fd00::101]:53');
  assert.deepEqual(matching(wanted('192.168.1.100'), ALL).length, 3);
});

test('nothing is added or removed whole without a port', () => {
  assert.throws(() => inFull(wanted('192.168.1.100')), { code: 'USAGE', hint: /192\.168\.1\.100:80/ });
  assert.throws(() => inFull(wanted('udp fd00::100')), { code: 'USAGE', hint: /"udp \[fd00::100\]:80"/ });
  assert.equal(serviceName(inFull(wanted('192.168.1.100:80'))), 'tcp 192.168.1.100:80');
});

test('what is no service is none', () => {
  for (const text of [
    '',
    'web',
    '192.168.1.1000',
    '192.168.1.100:99999',
    'sctp 192.168.1.100:80',
    '192.168.1.0/24',
    ':80',
  ]) {
    assert.throws(() => wanted(text), { code: 'commander.invalidArgument' }, text);
  }
});

test('-t and -u take the place of the first argument', () => {
  const tcpService = wanted('tcp 192.168.1.100');
  assert.deepEqual(takeService(['192.168.1.31', undefined], { tcpService }).rest, ['192.168.1.31']);
  assert.deepEqual(takeService(['192.168.1.100:80', '192.168.1.31'], {}).rest, ['192.168.1.31']);
  assert.throws(() => takeService([], { tcpService, udpService: tcpService }), { code: 'USAGE' });
});
