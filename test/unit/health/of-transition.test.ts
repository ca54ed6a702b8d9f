/** Each transition that the checker tells becomes the event that its documentation promises. */

import assert from 'node:assert/strict';
import test from 'node:test';

import type { Transition } from '../../../src/health/engine/events.js';
import { contentOf } from '../../../src/health/hooks/of-transition.js';
import { ip } from '../../../src/model/index.js';

const OF = { service: 'tcp 192.0.2.1:80', address: ip('192.0.2.9') };
const OUTCOME = { passed: false, layer: 'L7', words: 'status 503', ms: 12 } as const;

test('transitions are events with a reason in words', () => {
  const cases: [Transition, string, string | undefined][] = [
    [
      { ...OF, kind: 'server', isUp: false, check: 'http', outcome: OUTCOME },
      'real-server-down',
      'http: L7 status 503, 12 ms',
    ],
    [
      { ...OF, kind: 'server', isUp: true, check: 'http', outcome: OUTCOME },
      'real-server-up',
      'http: L7 status 503, 12 ms',
    ],
    [
      { ...OF, kind: 'server', isUp: true, reason: 'its checks were changed' },
      'real-server-up',
      'its checks were changed',
    ],
    [
      { ...OF, kind: 'check', label: 'http', isUp: false, outcome: OUTCOME, damped: false },
      'check-down',
      'L7 status 503, 12 ms',
    ],
    [
      { ...OF, kind: 'check', label: 'http', isUp: true, outcome: OUTCOME, damped: false },
      'check-up',
      'L7 status 503, 12 ms',
    ],
    [
      { ...OF, kind: 'trouble', label: 'http', trouble: 'no local port is free' },
      'check-trouble',
      'no local port is free',
    ],
    [{ ...OF, kind: 'trouble', label: 'http', trouble: undefined }, 'check-trouble-over', undefined],
    [{ ...OF, kind: 'warning', label: 'http', warning: 'soon' }, 'check-warning', 'soon'],
    [{ ...OF, kind: 'warning', label: 'http', warning: undefined }, 'check-warning-over', undefined],
    [{ ...OF, kind: 'advice', label: 'http', advice: { state: 'drain' } }, 'advice-changed', 'drain'],
    [{ ...OF, kind: 'advice', label: 'http', advice: undefined }, 'advice-changed', 'none'],
    [{ ...OF, kind: 'check-removed', label: 'http' }, 'check-removed', undefined],
  ];
  for (const [transition, type, reason] of cases) {
    const details = {
      service: OF.service,
      realServer: '192.0.2.9',
      ...(!('reason' in transition) && { check: 'http' }),
      ...(reason !== undefined && { reason }),
    };
    assert.deepEqual(contentOf(transition), { type, details });
  }
});
