/** Tests of what a result of the wire means, beside what the talk makes of an answer. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { judgeResult } from '../../../src/health/engine/judgement.js';
import { talksOf } from '../../../src/health/kinds/index.js';
import type { CheckResult } from '../../../src/health/wire/result.js';
import { ip, type NetworkCheck } from '../../../src/model/index.js';

const TARGET = { address: ip('192.168.1.100'), family: 4, port: 80, protocol: 'tcp' } as const;

const MEANINGS: readonly [NetworkCheck, Partial<CheckResult>, string][] = [
  [{ type: 'tcp' }, { outcome: 'ok', connectMicros: 1 }, 'passed L4 ok'],
  [{ type: 'tcp' }, { outcome: 'timeout' }, 'failed L4 timeout'],
  [{ type: 'http' }, { outcome: 'timeout' }, 'failed L4 timeout'],
  [{ type: 'http' }, { outcome: 'timeout', connectMicros: 1 }, 'failed L7 timeout, no answer'],
  [{ type: 'ping' }, { outcome: 'timeout' }, 'failed L3 timeout'],
  [{ type: 'udp', reply: 'x' }, { outcome: 'timeout' }, 'failed L7 timeout, no answer'],
  [{ type: 'udp' }, { outcome: 'refused', error: 'ECONNREFUSED' }, 'failed L4 refused'],
  [{ type: 'http' }, { outcome: 'reset', connectMicros: 1, error: 'ECONNRESET' }, 'failed L4 reset'],
  [{ type: 'tcp' }, { outcome: 'unreachable', error: 'ENETUNREACH' }, 'failed L3 no route'],
  [{ type: 'tcp' }, { outcome: 'unreachable', error: 'EHOSTUNREACH' }, 'failed L3 host unreachable'],
  [{ type: 'tcp' }, { outcome: 'unreachable', error: 'EPROTO' }, 'failed L3 unreachable, EPROTO'],
  [{ type: 'tcp' }, { outcome: 'forwarded' }, 'failed L3 has no VIP: it forwards what is for it'],
  [{ type: 'udp' }, { outcome: 'not-vip' }, 'failed L4 answers from its own address, not from the VIP'],
  [{ type: 'ping' }, { outcome: 'not-vip' }, 'failed L3 answers from its own address, not from the VIP'],
  [{ type: 'http' }, { outcome: 'no-port' }, 'trouble no local port is free'],
  [{ type: 'http' }, { outcome: 'too-many' }, 'trouble too many checks are in the air'],
  [{ type: 'ping' }, { outcome: 'error', error: 'EMFILE' }, 'trouble this host cannot make the check: EMFILE'],
];

for (const [check, result, meaning] of MEANINGS) {
  test(`${check.type}, ${result.outcome} ${result.error ?? ''}: ${meaning}`, () => {
    const whole = { job: 1, totalMicros: 1000, bytes: new Uint8Array(), outcome: 'ok', ...result } as const;
    const found = judgeResult(talksOf(check, TARGET)(), whole);
    assert.ok(!('until' in found));
    const text =
      'trouble' in found
        ? `trouble ${found.trouble}`
        : `${found.passed ? 'passed' : 'failed'} ${found.layer} ${found.words}`;
    assert.equal(text, meaning);
  });
}
