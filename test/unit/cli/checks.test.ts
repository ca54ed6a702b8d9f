/** What people read of health checks and of maintenance. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { formatChecks, formatRuns } from '../../../src/cli/terminal/checks.js';
import { formatMaintenance } from '../../../src/cli/terminal/maintenance.js';
import type { CheckStateReport, MaintenanceReport, ServerChecks, ServiceChecks } from '../../../src/control/index.js';
import type { IpAddress } from '../../../src/model/index.js';

const NOW = Date.parse('2026-11-30T10:00:00.000Z');
const SINCE = '2026-11-30T09:58:56.000Z';

const http: CheckStateReport = {
  check: 'http',
  state: 'up',
  since: SINCE,
  last: { passed: true, layer: 'L7', words: 'status 200', ms: 1.94 },
  against: 0,
};

function server(address: string, more: Partial<ServerChecks> = {}): ServerChecks {
  return { address: address as IpAddress, state: 'up', since: SINCE, checks: [http], ...more };
}

function service(realServers: readonly ServerChecks[], quorum: ServiceChecks['quorum'] = 'met'): ServiceChecks {
  return { service: 'tcp 192.168.1.100:80', quorum, realServers };
}

test('a disabled real server whose checks pass is not taken for one that takes flows', () => {
  const disabled = server('192.168.1.32', { disabled: 'is disabled: new disks' });
  assert.equal(
    formatChecks([service([server('192.168.1.31'), disabled])], NOW),
    [
      'tcp 192.168.1.100:80  all up, 1 disabled',
      '  REAL SERVER   CHECK  STATE  FOR        LAST RESULT',
      '  192.168.1.31  http   up     1 min 4 s  L7 status 200, 1.9 ms',
      '  192.168.1.32  http   up     1 min 4 s  L7 status 200, 1.9 ms',
      '  192.168.1.32: is disabled: new disks',
      '',
    ].join('\n'),
  );
});

test('results that speak against the state are counted beside it, and what cannot be made says why', () => {
  const tcp: CheckStateReport = { check: 'tcp 8080', state: 'unknown', since: SINCE, against: 0 };
  const down = server('192.168.1.31', { state: 'down', checks: [{ ...http, state: 'down', against: 1 }, tcp] });
  const troubled = server('192.168.1.32', {
    advice: { state: 'drain' },
    checks: [{ ...tcp, trouble: 'no local port is free' }],
  });
  assert.equal(
    formatChecks([service([down, troubled], 'lost')], NOW),
    [
      'tcp 192.168.1.100:80  1 of 2 down, the quorum is lost',
      '  REAL SERVER   CHECK     STATE    FOR        LAST RESULT',
      '  192.168.1.31  http      down     1 min 4 s  L7 status 200, 1.9 ms, 1 in a row',
      '                tcp 8080  unknown  1 min 4 s  none yet',
      '  192.168.1.32  tcp 8080  unknown  1 min 4 s  none yet',
      '  192.168.1.32: its agent says drain',
      '  192.168.1.32: tcp 8080 cannot be made: no local port is free',
      '',
    ].join('\n'),
  );
});

test('a check made now tells no bytes of a connection that never was', () => {
  const step = { outcome: 'timeout', sent: 0, received: 0, totalMs: 1004.2 };
  const result = { passed: false, layer: 'L4', words: 'timeout', ms: 1004.2 } as const;
  assert.equal(
    formatRuns([{ check: 'http', result, steps: [step] }]),
    'http\n  timeout after 1004 ms\n  fails: L4 timeout, 1004 ms\n',
  );
});

test('a maintenance for two hours begins with two hours, and its last second is one', () => {
  const ofAll: MaintenanceReport = {
    realServer: '192.168.1.31' as IpAddress,
    since: '2026-11-30T09:59:59.990Z',
    until: '2026-11-30T11:59:59.990Z',
    moves: false,
  };
  assert.match(formatMaintenance(ofAll, NOW), /, for 2 h 0 min more$/);
  assert.match(formatMaintenance(ofAll, Date.parse('2026-11-30T11:59:59.500Z')), /, for 1 s more$/);
});
