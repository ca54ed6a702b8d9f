/** The differences between two configurations, and the effects of a switch from one to the other. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { formatDifferences, formatPercent, formatPlanned, percentage, summarize } from '../../../src/cli/index.js';
import { type PlanReport, requireAtMost } from '../../../src/control/index.js';
import type { FlowCounts } from '../../../src/dataplane/index.js';
import { movedShare, planChange } from '../../../src/director/changes/plan.js';
import { withNewcomers } from '../../../src/director/surroundings.js';
import { compile } from '../../../src/image/index.js';
import { diffModels, ip, type Model, type Service } from '../../../src/model/index.js';
import { anyServices, DIRECTOR, reordered, service, worldOf } from '../../support/models.js';

const VIP = ip('192.168.1.100');
const NAME = 'tcp 192.168.1.100:80';
const [A, B, C, D] = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.3'), ip('10.0.0.4')] as const;

function modelOf(...services: Service[]): Model {
  return { interfaces: ['ens3'], mode: 'native', services };
}

function plan(before: Model, next: Model, flows: Readonly<Record<string, number>> = {}): PlanReport {
  const image = compile(before, worldOf(before.services));
  const nextImage = compile(next, withNewcomers(worldOf(before.services), next));
  const flowCounts = new Map(
    image.services.map(({ name, destinations }) => [
      name,
      destinations.map(({ address }): FlowCounts => ({ active: flows[address] ?? 0, inactive: 0, persistent: 0 })),
    ]),
  );
  return planChange({ before, drains: [], next, image, nextImage, flowCounts });
}

test('equal models have no differences, and every difference is reversible', () => {
  const opposite = { added: 'removed', removed: 'added', changed: 'changed' } as const;
  fc.assert(
    fc.property(anyServices, anyServices, (some, others) => {
      const [before, after] = [modelOf(...some), modelOf(...others)];
      assert.deepEqual(diffModels(before, modelOf(...some.map((each) => ({ ...each })))), []);
      const there = diffModels(before, after);
      const back = diffModels(after, before);
      const sorted = (list: typeof there): string[] => list.map((each) => JSON.stringify(each)).sort();
      const turned = back.map(({ kind, what, service: name, realServer: address, field, before: old, after: now }) => ({
        kind: opposite[kind],
        what,
        ...(name === undefined ? {} : { service: name }),
        ...(address === undefined ? {} : { address }),
        ...(field === undefined ? {} : { field }),
        ...(now === undefined ? {} : { before: now }),
        ...(old === undefined ? {} : { after: old }),
      }));
      const inOrder = there.map(
        ({ kind, what, service: name, realServer: address, field, before: old, after: now }) => ({
          kind,
          what,
          ...(name === undefined ? {} : { service: name }),
          ...(address === undefined ? {} : { address }),
          ...(field === undefined ? {} : { field }),
          ...(old === undefined ? {} : { before: old }),
          ...(now === undefined ? {} : { after: now }),
        }),
      );
      assert.deepEqual(sorted(inOrder), sorted(turned));
    }),
  );
});

test('an explicit default is no difference', () => {
  const said = service(VIP, 80, [A], {
    track: 'all',
    ttl: 'keep',
    noDestination: 'reject',
    onePacket: false,
    flags: [],
  });
  assert.deepEqual(
    diffModels(modelOf(service(VIP, 80, [A])), { ...modelOf(said), fragments: true, directors: [] }),
    [],
  );
});

test('each difference has one line, with its subject in a column', () => {
  const before: Model = {
    ...modelOf(service(VIP, 80, [A, B], { scheduler: 'wrr' }), service(VIP, 81, [A])),
    markRules: [{ mark: 1, match: { protocol: 'tcp', address: VIP, prefixLength: 32, firstPort: 443, lastPort: 443 } }],
  };
  const after: Model = {
    ...modelOf(service(VIP, 80, [[A, 3], C], { timeouts: { udp: 20 } }), service(ip('192.168.1.101'), 80, [A, B])),
    mode: 'generic',
  };
  const differences = diffModels(before, after);
  assert.equal(
    formatDifferences(differences),
    `~ mode                   native -> generic
~ tcp 192.168.1.100:80   scheduler wrr -> maglev
~ tcp 192.168.1.100:80   timeouts.udp default -> 20
~ tcp 192.168.1.100:80   10.0.0.1 weight 1 -> 3
+ tcp 192.168.1.100:80   10.0.0.3 weight 1
- tcp 192.168.1.100:80   10.0.0.2 weight 1
+ tcp 192.168.1.101:80   maglev, 2 real servers
- tcp 192.168.1.100:81   maglev, 1 real server
- mark 1                 tcp:192.168.1.100:443
`,
  );
  assert.equal(
    summarize(differences),
    '1 setting changed, 1 service changed, 1 real server changed, 1 real server added, 1 real server removed, ' +
      '1 service added, 1 service removed, 1 mark rule removed',
  );
});

test('the order of real servers matters to schedulers, and is a difference', () => {
  const [first, second] = [modelOf(service(VIP, 80, [A, B, C])), modelOf(service(VIP, 80, [B, C, A, D]))];
  assert.equal(
    formatDifferences(diffModels(first, second)),
    `+ ${NAME}   ${D} weight 1\n~ ${NAME}   order ${A}, ${B}, ${C} -> ${B}, ${C}, ${A}\n`,
  );
});

test('no slot moves without a change, whatever the order', () => {
  fc.assert(
    fc.property(anyServices, (services) => {
      assert.equal(plan(modelOf(...services), modelOf(...reordered(services))).moved, 0);
    }),
  );
});

test('a new real server takes its share of the slots and no more', () => {
  const { moved, services, flowsAtRisk } = plan(
    modelOf(service(VIP, 80, [A, B])),
    modelOf(service(VIP, 80, [A, B, C])),
    { [A]: 5, [B]: 7 },
  );
  assert.ok(moved > 0.3 && moved < 0.4, `${moved}`);
  assert.deepEqual(services, [{ service: NAME, slots: 1024, moved, breaksUnremembered: false, atRisk: [], kept: 12 }]);
  assert.equal(flowsAtRisk, 0);
});

test('the total share of moved slots counts the slots of all services', () => {
  const other = service(VIP, 81, [A, B]);
  const { moved } = plan(modelOf(service(VIP, 80, [A, B]), other), modelOf(service(VIP, 80, [A, B, C]), other));
  assert.ok(moved > 0.15 && moved < 0.2, `${moved}`);
});

test('flows of real servers that would be removed are at risk, and listed by real server', () => {
  const before = modelOf(service(VIP, 80, [A, B]), service(VIP, 81, [C], { scheduler: 'wlc' }));
  const report = plan(before, modelOf(service(VIP, 80, [A])), { [A]: 1, [B]: 17, [C]: 3 });
  assert.equal(report.flowsAtRisk, 20);
  assert.equal(
    formatPlanned(report),
    `- tcp 192.168.1.100:80   10.0.0.2 weight 1
- tcp 192.168.1.100:81   wlc, 1 real server
  tcp 192.168.1.100:80   50 % of 1,024 slots move; 1 flow kept
  tcp 192.168.1.100:80   10.0.0.2: 17 flows at risk
  tcp 192.168.1.100:81   10.0.0.3: 3 flows at risk
1 real server removed, 1 service removed; 50 % of slots move (1 service); 20 flows at risk
`,
  );
  assert.equal(formatPlanned(plan(before, before)), 'no changes\n');
});

test('flows at risk are marked as uncertain if not all flows are remembered', () => {
  const some = { track: 'moved' } as const;
  const report = plan(modelOf(service(VIP, 80, [A, B], some)), modelOf(service(VIP, 80, [A], some)));
  assert.match(formatPlanned(report), /10\.0\.0\.2: 0 flows at risk, and those without an entry\n/);
});

test('a change of scheduler or of what it hashes says that flows without an entry break', () => {
  const by = (rest: Partial<Service>): Model => modelOf(service(VIP, 80, [A, B], { track: 'moved', ...rest }));
  const breaks = (from: Partial<Service>, to: Partial<Service>): boolean =>
    formatPlanned(plan(by(from), by(to))).includes('connections without an entry break');
  assert.ok(breaks({}, { scheduler: 'sh' }));
  assert.ok(breaks({}, { scheduler: 'rr' }));
  assert.ok(breaks({ scheduler: 'mh' }, { scheduler: 'mh', flags: ['mh-port'] }));
  assert.ok(!breaks({}, { slots: 256 }));
  assert.ok(!breaks({ track: 'all' }, { track: 'all', scheduler: 'sh' }));
  // All of its flows have entries.
  assert.ok(!breaks({ scheduler: 'wlc' }, { scheduler: 'rr' }));
});

test('rings of two sizes are compared slot by slot of the larger one', () => {
  const ring = (slots: number): Model => modelOf(service(VIP, 80, [A], { slots }));
  assert.equal(plan(ring(2), ring(1024)).moved, 0);
  assert.equal(plan(ring(1024), ring(4)).moved, 0);
});

test('another hash moves every slot, and without a hash no slot moves', () => {
  const by = (rest: Partial<Service>): Model => modelOf(service(VIP, 80, [A, B], rest));
  assert.equal(plan(by({}), by({ scheduler: 'sh' })).moved, 1);
  assert.equal(plan(by({ scheduler: 'mh' }), by({ scheduler: 'mh', flags: ['mh-port'] })).moved, 1);
  assert.equal(plan(by({}), by({ scheduler: 'wlc' })).moved, 1);
  assert.equal(plan(by({ scheduler: 'wlc' }), by({})).moved, 0);
  assert.equal(plan(by({ scheduler: 'rr' }), modelOf(service(VIP, 80, [A]))).moved, 0);
  const [compiled] = compile(by({}), worldOf(by({}).services)).services;
  assert.equal(movedShare(compiled!, undefined), 1);
});

test('a plan assumes that new real servers answer, and leaves out known silent ones', () => {
  const next = modelOf(service(VIP, 80, [A, B]));
  const world = {
    interfaces: [DIRECTOR],
    resolutions: new Map([[B, { state: 'unresolved', reason: 'silent' } as const]]),
  };
  const [compiled] = compile(next, withNewcomers(world, next)).services;
  assert.deepEqual(
    compiled!.routes.map(({ action }) => action),
    ['forward', 'none'],
  );
});

test('more than --max-moved is refused, with both shares', () => {
  requireAtMost(0.02, { moved: 0.02 });
  assert.throws(
    () => {
      requireAtMost(0.02, { moved: 0.3339 });
    },
    { code: 'MAX_MOVED', message: '33.39 % of all slots would move, more than 2 %' },
  );
  assert.deepEqual(['2%', '0.5%', '0%', '100%'].map(percentage), [0.02, 0.005, 0, 1]);
  for (const text of ['2', '101%', '-1%', '', '%', '1e1%']) {
    assert.throws(() => percentage(text), { code: 'commander.invalidArgument' }, text);
  }
  assert.deepEqual([0, 0.0001, 0.5, 1].map(formatPercent), ['0 %', '< 0.1 %', '50 %', '100 %']);
});
