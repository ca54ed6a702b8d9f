/** Edits of a model: IPVS's rules for them, Beeline's own, and that nothing else changes. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { parseConfig } from '../../../src/config/index.js';
import {
  BeelineError,
  edit,
  type Edit,
  type EditPolicy,
  editWarnings,
  ip,
  type IpAddress,
  type MarkRule,
  type Model,
  parseIpv6,
  parseMarkMatch,
  serviceName,
} from '../../../src/model/index.js';
import { anyServices, service } from '../../support/models.js';

const WEB = { protocol: 'tcp', address: ip('192.168.1.100'), port: 80 } as const;
const MARK = { mark: 1, family: 4 } as const;
const EMPTY: Model = { interfaces: ['ens3'], mode: 'native', services: [] };
const RR: EditPolicy = { scheduler: 'rr' };

function edited(model: Model, ...changes: readonly Edit[]): Model {
  return changes.reduce(edit, model);
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof BeelineError, String(error));
    return error.code;
  }
  return 'none';
}

function addServer(address: IpAddress, weight = 1): Edit {
  return { kind: 'add-destination', service: WEB, destination: { address, weight } };
}

const ONE: Model = edited(EMPTY, { kind: 'add-service', service: WEB, policy: RR }, addServer(ip('192.168.1.31')));

function rule(mark: number, text: string): MarkRule {
  const match = parseMarkMatch(text);
  assert.ok(match !== undefined, text);
  return { mark, match };
}

test('an existing service cannot be added, and a missing one cannot be changed', () => {
  const missing = { ...WEB, port: 81 };
  const codes: [Edit, string][] = [
    [{ kind: 'add-service', service: WEB, policy: RR }, 'SERVICE_EXISTS'],
    [{ kind: 'edit-service', service: missing, policy: RR }, 'SERVICE_UNKNOWN'],
    [{ kind: 'delete-service', service: missing }, 'SERVICE_UNKNOWN'],
    [{ kind: 'delete-service', service: MARK }, 'SERVICE_UNKNOWN'],
    [{ ...addServer(ip('192.168.1.32')), service: missing } as Edit, 'SERVICE_UNKNOWN'],
    [addServer(ip('192.168.1.31')), 'DESTINATION_EXISTS'],
    [{ kind: 'delete-destination', service: WEB, address: ip('192.168.1.32') }, 'DESTINATION_UNKNOWN'],
    [
      { kind: 'edit-destination', service: WEB, destination: { address: ip('192.168.1.32'), weight: 1 } },
      'DESTINATION_UNKNOWN',
    ],
  ];
  for (const [change, code] of codes) {
    assert.equal(
      codeOf(() => edit(ONE, change)),
      code,
      JSON.stringify(change),
    );
  }
});

test('a real server that the service does not have cannot be deleted', () => {
  const model = edit(EMPTY, { kind: 'add-service', service: WEB, policy: RR });
  const change: Edit = { kind: 'delete-destination', service: WEB, address: ip('192.168.1.31') };
  assert.equal(
    codeOf(() => edit(model, change)),
    'DESTINATION_UNKNOWN',
  );
  assert.deepEqual(edit(ONE, { ...change }).services[0]!.destinations, []);
});

test('new real servers come last, and a changed one stays where it is', () => {
  const model = edited(ONE, addServer(ip('192.168.1.33')), addServer(ip('192.168.1.32')), {
    kind: 'edit-destination',
    service: WEB,
    destination: { address: ip('192.168.1.33'), weight: 5 },
  });
  assert.deepEqual(model.services[0]!.destinations, [
    { address: '192.168.1.31', weight: 1 },
    { address: '192.168.1.33', weight: 5 },
    { address: '192.168.1.32', weight: 1 },
  ]);
});

test('a lower threshold above the upper one is out of range; 0 is no threshold', () => {
  const withThresholds = (upperThreshold: number, lowerThreshold: number): Edit => ({
    kind: 'add-destination',
    service: WEB,
    destination: { address: ip('192.168.1.32'), weight: 1, upperThreshold, lowerThreshold },
  });
  assert.equal(
    codeOf(() => edit(ONE, withThresholds(10, 20))),
    'OUT_OF_RANGE',
  );
  assert.equal(
    codeOf(() => edit(ONE, withThresholds(0, 20))),
    'OUT_OF_RANGE',
  );
  const [, off] = edit(ONE, withThresholds(0, 0)).services[0]!.destinations;
  assert.deepEqual(off, { address: '192.168.1.32', weight: 1 });
  const model = edited(ONE, withThresholds(20, 10), {
    kind: 'edit-destination',
    service: WEB,
    destination: { address: ip('192.168.1.32'), weight: 2 },
  });
  assert.deepEqual(model.services[0]!.destinations[1], { address: '192.168.1.32', weight: 2 });
});

test('settings that ipvsadm does not know survive an edit if they still fit', () => {
  const full = parseConfig(
    `interfaces: [ens3]
services:
  - address: 192.168.1.100
    port: 80
    track: moved
    slots: 64
    ttl: decrement
    noDestination: drop
    timeouts: { established: 60 }
    realServers: [{ address: 192.168.1.31, mac: "00:50:00:00:01:00", vlan: 7 }]
`,
    'f',
  );
  const change = (policy: EditPolicy): Model['services'][number] =>
    edit(full, { kind: 'edit-service', service: WEB, policy }).services[0]!;
  const kept = { ttl: 'decrement', noDestination: 'drop', timeouts: { established: 60 } };
  const { destinations } = full.services[0]!;
  assert.deepEqual(change({ scheduler: 'maglev' }), full.services[0]);
  assert.deepEqual(change({ scheduler: 'mh' }), { ...WEB, ...kept, scheduler: 'mh', track: 'moved', destinations });
  assert.deepEqual(change(RR), { ...WEB, ...kept, scheduler: 'rr', destinations });
  assert.deepEqual(change({ scheduler: 'maglev', persistence: { timeout: 60 } }), {
    ...WEB,
    ...kept,
    slots: 64,
    scheduler: 'maglev',
    persistence: { timeout: 60 },
    destinations,
  });
  const weighed = edit(full, {
    kind: 'edit-destination',
    service: WEB,
    destination: { address: ip('192.168.1.31'), weight: 0 },
  });
  assert.deepEqual(weighed.services[0]!.destinations, [{ ...destinations[0], weight: 0 }]);
});

test('an edit that would make the configuration invalid is refused, with a hint', () => {
  const udp = { ...WEB, protocol: 'udp' } as const;
  const refused: Edit[] = [
    addServer(ip('192.168.1.100')),
    addServer(ip('224.0.0.1')),
    addServer(ip('fd00::1')),
    addServer(ip('127.255.255.255')),
    addServer(parseIpv6('::ffff:10.0.0.1')!),
    { kind: 'add-service', service: { ...WEB, address: ip('192.168.1.31') }, policy: RR },
    { kind: 'add-service', service: { ...WEB, address: ip('127.0.0.1') }, policy: RR },
    { kind: 'add-destination', service: WEB, destination: { address: ip('192.168.1.32'), port: 8080, weight: 1 } },
    { kind: 'add-service', service: udp, policy: { ...RR, onePacket: true, persistence: { timeout: 60 } } },
    { kind: 'add-service', service: { ...WEB, port: 81 }, policy: { ...RR, onePacket: true } },
    { kind: 'add-service', service: MARK, policy: { scheduler: 'rr', flags: ['sh-port'] } },
    { kind: 'add-service', service: MARK, policy: { ...RR, persistence: { timeout: 60, mask: 64 } } },
    { kind: 'add-service', service: MARK, policy: { ...RR, persistence: { timeout: 60, mask: ip('0.0.0.0') } } },
  ];
  for (const change of refused) {
    assert.throws(
      () => edit(ONE, change),
      (error: BeelineError) => {
        assert.equal(error.code, 'EDIT_REFUSED', JSON.stringify(change));
        assert.match(error.hint ?? '', /\.$/);
        return true;
      },
    );
  }
});

test('a service takes no more real servers than its ring has slots', () => {
  const small: Model = {
    ...EMPTY,
    services: [service(ip('192.168.1.100'), 80, [ip('192.168.1.31'), ip('192.168.1.32')], { slots: 2 })],
  };
  assert.equal(
    codeOf(() => edit(small, addServer(ip('192.168.1.33')))),
    'EDIT_REFUSED',
  );
});

test('services that an edit does not touch stay the same objects', () => {
  fc.assert(
    fc.property(anyServices, fc.nat(), (services, choice) => {
      fc.pre(services.length > 0);
      const model: Model = { ...EMPTY, services, markServices: [{ ...MARK, scheduler: 'rr', destinations: [] }] };
      const touched = services[choice % services.length]!;
      const { address, port, protocol } = touched;
      const next = edit(model, { kind: 'edit-service', service: { address, port, protocol }, policy: RR });
      assert.equal(next.markServices![0], model.markServices![0]);
      next.services.forEach((each, i) => {
        assert.equal(each === services[i], services[i] !== touched);
        assert.equal(serviceName(each), serviceName(services[i]!));
      });
    }),
  );
});

test('clearing removes the services and keeps the mark rules', () => {
  const model = edited(
    ONE,
    { kind: 'add-service', service: MARK, policy: RR },
    { kind: 'add-mark-rule', rule: rule(1, 'tcp:192.168.1.100:443') },
    { kind: 'clear' },
  );
  assert.deepEqual([model.services, model.markServices, model.markRules?.length], [[], [], 1]);
});

test('timeouts change separately, and stay within their limits', () => {
  const model = edited(
    EMPTY,
    { kind: 'set-timeouts', timeouts: { established: 60 } },
    { kind: 'set-timeouts', timeouts: { udp: 5 } },
  );
  assert.deepEqual(model.timeouts, { established: 60, udp: 5 });
  for (const established of [0, -1, 2_678_401, 1.5]) {
    assert.equal(
      codeOf(() => edit(EMPTY, { kind: 'set-timeouts', timeouts: { established } })),
      'OUT_OF_RANGE',
    );
  }
});

test('no packet can get two marks', () => {
  const model = edit(EMPTY, { kind: 'add-mark-rule', rule: rule(1, 'tcp:192.168.1.0/24:80-89') });
  const add = (text: string, mark = 2): (() => Model) => {
    return () => edit(model, { kind: 'add-mark-rule', rule: rule(mark, text) });
  };
  for (const text of ['tcp:192.168.1.100:85', 'tcp:192.168.0.0/16:*', 'tcp:192.168.1.0/24:80-89']) {
    assert.throws(add(text), { code: 'EDIT_REFUSED', message: /tcp:192\.168\.1\.0\/24:80-89/ });
  }
  assert.throws(add('tcp:192.168.1.0/24:80-89', 1), { code: 'EDIT_REFUSED', message: /already/ });
  for (const text of ['udp:192.168.1.100:85', 'tcp:192.168.2.0/24:*', 'tcp:192.168.1.0/24:90', 'tcp:[fd00::]/64:80']) {
    assert.equal(add(text)().markRules!.length, 2, text);
  }
});

test('mark rules that do not exist cannot be deleted', () => {
  const web = rule(1, 'tcp:192.168.1.100:80');
  const model = edit(EMPTY, { kind: 'add-mark-rule', rule: web });
  assert.deepEqual(edit(model, { kind: 'delete-mark-rule', rule: web }).markRules, []);
  assert.deepEqual(edit(model, { kind: 'clear-mark-rules', mark: 1 }).markRules, []);
  assert.deepEqual(edit(EMPTY, { kind: 'clear-mark-rules' }).markRules, []);
  const wrong: Edit[] = [
    { kind: 'delete-mark-rule', rule: { ...web, mark: 2 } },
    { kind: 'delete-mark-rule', rule: rule(1, 'tcp:192.168.1.100:81') },
    { kind: 'clear-mark-rules', mark: 2 },
  ];
  for (const change of wrong) {
    assert.equal(
      codeOf(() => edit(model, change)),
      'NOT_FOUND',
    );
  }
});

test('mistakes about which IPVS is silent cause warnings', () => {
  const change: Edit = addServer(ip('192.168.1.32'), 3);
  assert.match(editWarnings(edit(ONE, change), change).join(), /rr gives every real server the same/);
  const quiesced: Edit = addServer(ip('192.168.1.32'), 0);
  assert.deepEqual(editWarnings(edit(ONE, quiesced), quiesced), []);
  const marked: Edit = { kind: 'add-service', service: MARK, policy: RR };
  assert.match(editWarnings(edit(EMPTY, marked), marked).join(), /beeline mark add 1/);
  const fed = edit(EMPTY, { kind: 'add-mark-rule', rule: rule(1, 'tcp:192.168.1.100:80') });
  assert.deepEqual(editWarnings(edit(fed, marked), marked), []);
  const fedOther = edit(EMPTY, { kind: 'add-mark-rule', rule: rule(1, 'tcp:[fd00::100]:80') });
  assert.equal(editWarnings(edit(fedOther, marked), marked).length, 1);
});

test('a service whose packets a mark takes causes a warning, whichever of the two is newer', () => {
  const rule = { mark: 7, match: parseMarkMatch('tcp:10.0.0.0/24:80-90')! };
  const service = { protocol: 'tcp', address: ip('10.0.0.1'), port: 80 } as const;
  const edits: Edit[] = [
    { kind: 'add-service', service, policy: { scheduler: 'rr' } },
    { kind: 'add-service', service: { mark: 7, family: 4 }, policy: { scheduler: 'rr' } },
    { kind: 'add-mark-rule', rule },
  ];
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
  ]) {
    let model: Model = { interfaces: [], mode: 'native', services: [] };
    const said = order.map((i) => {
      model = edit(model, edits[i]!);
      return editWarnings(model, edits[i]!).join();
    });
    assert.match(said[2]!, /tcp:10\.0\.0\.0\/24:80-90 go to fwm 7, not to tcp 10\.0\.0\.1:80/);
  }
  const other: Edit = { kind: 'add-service', service: { ...service, port: 91 }, policy: { scheduler: 'rr' } };
  const model = edits.reduce<Model>(edit, { interfaces: [], mode: 'native', services: [] });
  assert.deepEqual(editWarnings(edit(model, other), other), []);
});
