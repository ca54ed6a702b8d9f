/** The parts of the daemon that need no network: preflight, reports, what it tells systemd, instance names. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { Director, type DirectorOptions } from '../../../src/director/director.js';
import { serviceManager } from '../../../src/director/notify.js';
import { Overlays } from '../../../src/director/overlays/index.js';
import { checkCapabilities, checkKernel } from '../../../src/director/preflight.js';
import { reportReload, reportServices, reportTotals } from '../../../src/director/reports/services.js';
import { compile } from '../../../src/image/index.js';
import {
  instanceOf,
  type Interface,
  ip,
  type IpAddress,
  keepUnchanged,
  type Model,
  virtualMac,
} from '../../../src/model/index.js';
import { KernelError } from '../../../src/native/index.js';
import { DIRECTOR, service, worldOf } from '../../support/models.js';

test('a kernel that is too old is reported with the required version', () => {
  for (const release of ['5.15.0-91-generic', '6.0.19', '4.19.0-26-amd64']) {
    assert.throws(
      () => {
        checkKernel(release);
      },
      { code: 'KERNEL_TOO_OLD', message: `this kernel is ${release}; Beeline needs 6.1 or later` },
    );
  }
  for (const release of ['6.1.0-13-amd64', '6.12.3', '7.2.0']) {
    checkKernel(release);
  }
});

test('missing capabilities are named', () => {
  const status = (effective: string): string => `Name:\tnode\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\n`;
  assert.throws(
    () => {
      checkCapabilities(status('0000000000000000'));
    },
    { code: 'CAPABILITY_MISSING', message: /lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON$/ },
  );
  assert.throws(
    () => {
      checkCapabilities(status('0000008000001000'));
    },
    { code: 'CAPABILITY_MISSING', message: /lacks CAP_PERFMON$/ },
  );
  // CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
  for (const enough of ['000001ffffffffff', '000000c000001000', '0000000000201000']) {
    checkCapabilities(status(enough));
  }
});

test('a director that is stopping accepts no new model', async () => {
  const director = new Director({
    network: {},
    resolver: {},
    dataPlane: {},
    overlays: new Overlays([]),
    log: {},
    replace: false,
  } as unknown as DirectorOptions);
  await director.stop();
  await assert.rejects(director.change({ interfaces: ['ens3'], mode: 'native', services: [] }), {
    code: 'CONTROL_CLOSED',
  });
});

test('a round begins as soon as a device above an interface has a VIP: its packets come already, and are dropped', async () => {
  const vip = ip('192.168.1.100');
  const services = [service(vip, 80, [ip('10.0.0.1')])];
  const router = (...addresses: IpAddress[]): Interface => ({
    ...DIRECTOR,
    above: [{ name: 'vrrp.51', mac: virtualMac(51, 4), addresses, router: true }],
  });
  const roundsWhen = async (before: Interface, now: Interface): Promise<number> => {
    let rounds = 0;
    const prepare = (): Promise<void> => {
      rounds += 1;
      return Promise.reject(new Error('the rest of a round needs a network'));
    };
    const director = new Director({
      network: {},
      resolver: {},
      dataPlane: { image: compile({ services }, { ...worldOf(services), interfaces: [before] }) },
      overlays: new Overlays([]),
      hostClients: { interface: now, prepare },
      log: { error: () => undefined },
      replace: false,
    } as unknown as DirectorOptions);
    director.noticeVips();
    await nextTurn();
    await director.stop();
    return rounds;
  };
  assert.equal(await roundsWhen(router(), router(vip)), 1);
  assert.equal(await roundsWhen(router(vip), router(vip)), 0);
  // Until another director has it, packets come here.
  assert.equal(await roundsWhen(router(vip), router()), 0);
});

test('an instance name that the BPF file system cannot have is refused', () => {
  for (const name of ['', 'a.b', 'a/b', '../x', 'x'.repeat(33), 'a b']) {
    assert.throws(() => instanceOf(name), { code: 'USAGE' }, name);
  }
  assert.equal(instanceOf('lab-1').socketPath, '/run/beeline/lab-1.sock');
});

test('a real server is up, drained, local, or unresolved with a reason', () => {
  const services = [
    service(ip('192.168.1.100'), 80, [ip('10.0.0.1'), [ip('10.0.0.2'), 0], ip('10.0.0.3'), ip('10.0.0.4')]),
  ];
  const { services: image } = compile(
    { services },
    worldOf(services, { '10.0.0.3': { state: 'local' }, '10.0.0.4': { state: 'unresolved', reason: 'no answer' } }),
  );
  const counters = { services: [], noService: { 'no-service': 2 } };
  const [report] = reportServices(image, counters, new Map());
  assert.deepEqual(
    report!.realServers.map(({ state, reason, share }) => [state, reason, share]),
    [
      ['up', undefined, 0.5],
      ['drained', undefined, 0],
      ['local', undefined, 0.5],
      ['unresolved', 'no answer', 0],
    ],
  );
  const totals = reportTotals(image, counters);
  assert.deepEqual([totals.services, totals.realServers, totals.unresolved], [1, 4, 1]);
  assert.deepEqual(totals.verdicts, { 'no-service': 2 });
});

test('a reload reports everything that was added, removed and changed, and nothing else', () => {
  const model = (...services: Model['services']): Model => ({ interfaces: ['ens3'], mode: 'native', services });
  const before = model(
    service(ip('10.1.0.1'), 80, [ip('10.0.0.1')]),
    service(ip('10.1.0.1'), 81, []),
    service(ip('10.1.0.1'), 82, []),
  );
  const after = model(
    service(ip('10.1.0.1'), 80, [ip('10.0.0.1')]),
    service(ip('10.1.0.1'), 82, [ip('10.0.0.1')]),
    service(ip('10.1.0.1'), 83, []),
  );
  assert.deepEqual(reportReload(before, keepUnchanged(before, after)), {
    services: 3,
    realServers: 2,
    added: ['tcp 10.1.0.1:83'],
    removed: ['tcp 10.1.0.1:81'],
    changed: ['tcp 10.1.0.1:82'],
    settings: [],
  });
  assert.deepEqual(reportReload(before, { ...before, mode: 'generic', interfaces: ['eth1'] }).settings, [
    'interfaces ens3 -> eth1',
    'mode native -> generic',
  ]);
});

test('without systemd, or with a missing socket, the daemon goes on', () => {
  const failures: KernelError[] = [];
  const onError = (error: unknown): void => {
    assert.ok(error instanceof KernelError);
    failures.push(error);
  };
  for (const environment of [{}, { NOTIFY_SOCKET: '/nonexistent/notify' }]) {
    const manager = serviceManager(environment, onError);
    manager.notify({ READY: '1' });
    manager.stop();
  }
  assert.deepEqual(
    failures.map(({ code }) => code),
    ['ENOENT'],
  );
});
