/** `beeline vip` on a host that stops at any moment, boots, or is changed by others. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { ip } from '../../../src/model/index.js';
import { planOf, PURPOSE } from '../../../src/setup/vip/plan.js';
import { isWish, NOTHING, type Wish, withoutVips, withVips } from '../../../src/setup/vip/wish.js';
import {
  ADDRESS_WAYS,
  type AddressWay,
  bringTo,
  originOfFile,
  type Place,
  type StepReport,
} from '../../../src/steps/index.js';
import { FakeHost, freshState, interrupted, type State } from '../../support/fake-host.js';

const VIPS = [ip('192.168.1.100'), ip('fd00::100')];

function placeOf(way: AddressWay): Place {
  switch (way) {
    case 'systemd-networkd':
      return { way, network: '20-lan.network' };
    case 'netplan':
      return { way, section: 'ethernets', id: 'ens3' };
    default:
      return { way };
  }
}

function wishOf(way?: AddressWay, vips = VIPS, device = 'ens3'): Wish {
  return withVips(
    NOTHING,
    vips.map((vip) => ({ vip, device })),
    way,
    placeOf,
  );
}

async function bring(host: FakeHost, wish: Wish, dryRun = false, undoOnly = wish === NOTHING): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  await bringTo(host, PURPOSE, wish, { dryRun, undoOnly }, (report) => reports.push(report));
  return reports;
}

const outcomes = (reports: readonly StepReport[]): string[] => [...new Set(reports.map(({ outcome }) => outcome))];

function withoutRecord({ files, addresses, ...rest }: State): unknown {
  const others = Object.entries(files).filter(([path]) => path !== PURPOSE.recordPath);
  return { ...rest, files: others.sort(), addresses: [...addresses].sort((a, b) => (a.local < b.local ? -1 : 1)) };
}

async function built(wish: Wish): Promise<State> {
  const host = new FakeHost(freshState(), []);
  await bring(host, wish);
  return host.state;
}

for (const way of [undefined, ...ADDRESS_WAYS]) {
  const wish = wishOf(way);

  test(`${way ?? 'not persistent'}: it is shown, made once, so already the second time, and undone to the last bit`, async () => {
    const host = new FakeHost(freshState(), []);
    assert.deepEqual(outcomes(await bring(host, wish, true)), ['todo']);
    assert.deepEqual(host.state, freshState());
    const made = await bring(host, wish);
    assert.deepEqual(outcomes(made), ['done']);
    assert.deepEqual(
      host.state.addresses.filter(({ local }) => VIPS.includes(ip(local))),
      [
        { ifname: 'ens3', local: VIPS[0], prefixlen: 32 },
        { ifname: 'ens3', local: VIPS[1], prefixlen: 128 },
      ],
    );
    assert.deepEqual(outcomes(await bring(host, wish)), ['was-so']);
    assert.deepEqual(outcomes(await bring(host, NOTHING)), ['undone']);
    assert.deepEqual(host.state, freshState());
    assert.deepEqual(await bring(host, NOTHING), []);
  });

  test(`${way ?? 'not persistent'}: interrupted before any change, a second run ends the same, and remove leaves nothing`, async () => {
    const whole = withoutRecord(await built(wish));
    for (let changes = 0; ; changes += 1) {
      const host = new FakeHost(freshState(), []);
      const half = await interrupted(host, changes, () => bring(host, wish));
      if (half === undefined) {
        assert.ok(changes > 2);
        return;
      }
      await bring(host, wish);
      assert.deepEqual(withoutRecord(host.state), whole);
      const other = new FakeHost(half, []);
      await bring(other, NOTHING);
      assert.deepEqual(other.state, freshState());
    }
  });

  test(`${way ?? 'not persistent'}: after a boot, remove undoes what the files brought back, and the files`, async () => {
    const host = new FakeHost(await built(wish), []);
    host.reboot();
    assert.equal(
      host.state.addresses.some(({ local }) => local === VIPS[0]),
      way !== undefined,
    );
    await bring(host, NOTHING);
    assert.deepEqual(host.state, freshState());
  });
}

test('an address that was there before stays after remove, and so does one that another program added after a boot', async () => {
  const before = freshState();
  before.addresses.push({ ifname: 'ens3', local: '192.168.1.100', prefixlen: 32 });
  const host = new FakeHost(structuredClone(before), []);
  assert.deepEqual(outcomes(await bring(host, wishOf())), ['was-so', 'done']);
  await bring(host, NOTHING);
  assert.deepEqual(host.state, before);

  const other = new FakeHost(await built(wishOf()), []);
  other.reboot();
  other.state.addresses.push({ ifname: 'ens3', local: '192.168.1.100', prefixlen: 32 });
  await bring(other, NOTHING);
  assert.deepEqual(other.state, before);
});

test('a VIP moves to another interface: it is there before it goes here', async () => {
  const host = new FakeHost(await built(wishOf('ifupdown')), []);
  const onLo = wishOf('ifupdown', VIPS, 'lo');
  const reports = await bring(host, onLo);
  assert.deepEqual(withoutRecord(host.state), withoutRecord(await built(onLo)));
  const first = reports.findIndex(({ outcome }) => outcome === 'undone');
  assert.ok(reports.slice(0, first).some(({ what }) => what === 'ip address add 192.168.1.100/32 dev lo'));
});

test('a VIP whose interface is gone holds no other one up, and is back with it', async () => {
  const both = withVips(wishOf('ifupdown'), [{ vip: ip('192.168.1.101'), device: 'ens9' }], undefined, placeOf);
  const host = new FakeHost(freshState(), []);
  host.devices = ['lo', 'ens3', 'ens9'];
  await bring(host, both);
  const whole = structuredClone(host.state);
  host.devices = ['lo', 'ens3'];
  host.state.addresses = host.state.addresses.filter(({ ifname }) => ifname !== 'ens9');
  const more = withVips(both, [{ vip: ip('192.168.1.102'), device: 'ens3' }], undefined, placeOf);
  await bring(host, more);
  assert.ok(host.state.addresses.some(({ local }) => local === '192.168.1.102'));
  await bring(host, withoutVips(more, [ip('192.168.1.102')]), false, true);
  host.devices = ['lo', 'ens3', 'ens9'];
  await bring(host, both);
  assert.deepEqual(withoutRecord(host.state), withoutRecord(whole));
  await bring(host, NOTHING);
  assert.deepEqual(host.state, freshState());
});

test('one VIP of two goes, from the interface and from the file', async () => {
  for (const way of ADDRESS_WAYS) {
    const left = withoutVips(wishOf(way), [VIPS[0]!]);
    const host = new FakeHost(await built(wishOf(way)), []);
    await bring(host, left, false, true);
    assert.deepEqual(withoutRecord(host.state), withoutRecord(await built(wishOf(way, [VIPS[1]!]))), way);
  }
});

test('a VIP that this host has otherwise is refused, with what to do, and nothing is changed', async () => {
  for (const [ifname, prefixlen, said] of [
    ['ens3', 24, /as \/24, not as \/32/],
    ['lo', 32, /on lo already/],
    ['lo', 24, /on lo already, as \/24/],
  ] as const) {
    const host = new FakeHost(freshState(), []);
    host.state.addresses.push({ ifname, local: '192.168.1.100', prefixlen });
    const before = structuredClone(host.state);
    await assert.rejects(bring(host, wishOf()), { code: 'VIP_TAKEN', message: said });
    assert.deepEqual(host.state, before);
  }
});

test('a file of somebody else is never overwritten, and one that was edited is never removed', async () => {
  const file = '/etc/netplan/90-beeline-vip.yaml';
  const host = new FakeHost(freshState(), []);
  host.state.files[file] = 'network: {}\n';
  const before = structuredClone(host.state);
  await assert.rejects(bring(host, wishOf('netplan')), { code: 'HOST_FOREIGN', message: /90-beeline-vip/ });
  assert.deepEqual(host.state, before);

  const edited = new FakeHost(await built(wishOf('netplan')), []);
  edited.state.files[file] = `${edited.state.files[file]!}# mine\n`;
  assert.ok(outcomes(await bring(edited, NOTHING)).includes('changed'));
  assert.deepEqual(Object.keys(edited.state.files), [file]);
});

test('every file is marked as that of "beeline vip", also a script, whose first line is for the kernel', () => {
  for (const step of ADDRESS_WAYS.flatMap((way) => planOf(wishOf(way)))) {
    if (step.kind === 'file') {
      assert.equal(originOfFile(PURPOSE, step.text), 'own', step.path);
      assert.equal(originOfFile(PURPOSE, `${step.text}#`), 'edited', step.path);
      assert.equal(step.text.startsWith('#!/bin/sh\n'), step.path.includes('dispatcher.d'));
    }
  }
});

test('a record of another shape is damaged, not obeyed', async () => {
  assert.ok(isWish(wishOf('netplan')));
  for (const text of ['{}', 'null', '{"version":1,"wish":{"vips":[{"vip":"x","device":"ens3"}]},"entries":[]}']) {
    const host = new FakeHost(freshState(), []);
    host.state.files[PURPOSE.recordPath] = text;
    await assert.rejects(bring(host, NOTHING), { code: 'HOST_RECORD' });
  }
});
