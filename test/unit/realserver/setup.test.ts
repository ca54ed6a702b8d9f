/** `setup` and `remove` on a host that stops at any moment, boots, or is changed by others. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { BeelineError, ip } from '../../../src/model/index.js';
import { PURPOSE } from '../../../src/realserver/purpose.js';
import {
  METHODS,
  NOTHING,
  type VipWish,
  type Way,
  type Wish,
  withoutVips,
  withVips,
} from '../../../src/realserver/wish.js';
import { bringTo, type StepReport } from '../../../src/steps/index.js';
import { FakeHost, freshState, interrupted, type State, Stopped } from './fake-host.js';

const VIPS = [ip('192.168.1.100'), ip('fd00::100')];

function wishOf(method: VipWish['method'], persist?: Way, vips = VIPS, tool: VipWish['tool'] = 'nft'): Wish {
  const each = vips.map((vip): VipWish => ({ vip, method, ports: [], rip: ip('192.168.1.31'), tool }));
  return withVips(NOTHING, each, persist);
}

const CASES = [
  ...METHODS.flatMap((method) =>
    ([undefined, 'systemd-networkd', 'ifupdown', 'netplan', 'networkmanager', 'sysctl.d'] as const).map((persist) => ({
      name: `${method}, ${persist ?? 'not persistent'}`,
      wish: wishOf(method, persist),
    })),
  ),
  { name: 'redirect by iptables', wish: wishOf('redirect', 'netplan', VIPS, 'iptables') },
];

async function bring(host: FakeHost, wish: Wish, dryRun = false, undoOnly = wish === NOTHING): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  await bringTo(host, PURPOSE, wish, { dryRun, undoOnly }, (report) => reports.push(report));
  return reports;
}

const outcomes = (reports: readonly StepReport[]): string[] => [...new Set(reports.map(({ outcome }) => outcome))];

async function built(wish: Wish): Promise<State> {
  const host = new FakeHost(freshState(), [wish]);
  await bring(host, wish);
  return host.state;
}

/** Without the record, which tells in which order it was made. */
function withoutRecord({ files, addresses, ...rest }: State): unknown {
  const others = Object.entries(files).filter(([path]) => path !== PURPOSE.recordPath);
  return { ...rest, files: others.sort(), addresses: [...addresses].sort((a, b) => (a.local < b.local ? -1 : 1)) };
}

for (const { name, wish } of CASES) {
  test(`${name}: it is shown, made once, so already the second time, and undone to the last bit`, async () => {
    const host = new FakeHost(freshState(), [wish]);
    assert.deepEqual(outcomes(await bring(host, wish, true)), ['todo']);
    assert.deepEqual(host.state, freshState());
    const made = await bring(host, wish);
    assert.deepEqual(outcomes(made), ['done']);
    const whole = structuredClone(host.state);
    assert.deepEqual(outcomes(await bring(host, wish)), ['was-so']);
    assert.deepEqual(host.state, whole);
    assert.deepEqual(outcomes(await bring(host, NOTHING, true)), ['would-undo']);
    const undone = await bring(host, NOTHING);
    assert.deepEqual(outcomes(undone), ['undone']);
    assert.equal(undone.length, made.length);
    assert.deepEqual(withoutRecord(host.state), withoutRecord(freshState()));
    assert.deepEqual(host.state.files, {});
    assert.deepEqual(await bring(host, NOTHING), []);
  });

  test(`${name}: interrupted before any change, a second run ends the same, and remove undoes what is there`, async () => {
    const whole = withoutRecord(await built(wish));
    for (let changes = 0; ; changes += 1) {
      const host = new FakeHost(freshState(), [wish]);
      const half = await interrupted(host, changes, () => bring(host, wish));
      if (half === undefined) {
        assert.ok(changes > 2);
        return;
      }
      await bring(host, wish);
      assert.deepEqual(withoutRecord(host.state), whole);
      const other = new FakeHost(half, [wish]);
      other.left = 3;
      await bring(other, NOTHING).catch((error: unknown) => {
        assert.ok(error instanceof Stopped);
      });
      other.left = Infinity;
      await bring(other, NOTHING);
      assert.deepEqual(withoutRecord(other.state), withoutRecord(freshState()));
      assert.deepEqual(other.state.files, {});
    }
  });

  test(`${name}: after a boot, remove undoes what the files brought back, and the files`, async () => {
    const host = new FakeHost(await built(wish), [wish]);
    host.reboot();
    await bring(host, NOTHING);
    assert.deepEqual(withoutRecord(host.state), withoutRecord(freshState()));
    assert.deepEqual(host.state.files, {});
  });
}

test('what was so before stays after remove: a VIP and a sysctl of somebody else', async () => {
  const wish = wishOf('sysctl');
  const host = new FakeHost(freshState(), [wish]);
  host.state.addresses.push({ ifname: 'lo', local: '192.168.1.100', prefixlen: 32 });
  host.state.sysctls['net/ipv4/conf/all/arp_ignore'] = '2';
  host.state.sysctls['net/ipv4/conf/all/arp_announce'] = '1';
  const before = structuredClone(host.state);
  await bring(host, wish);
  assert.equal(host.sysctl('net/ipv4/conf/all/arp_ignore'), '2');
  assert.equal(host.sysctl('net/ipv4/conf/all/arp_announce'), '2');
  await bring(host, NOTHING);
  assert.deepEqual(withoutRecord(host.state), withoutRecord(before));
});

test('what somebody changed since setup stays, and is named', async () => {
  const wish = wishOf('sysctl', 'netplan');
  const host = new FakeHost(await built(wish), [wish]);
  host.state.sysctls['net/ipv4/conf/all/arp_ignore'] = '8';
  const file = '/etc/netplan/90-beeline-realserver.yaml';
  host.state.files[file] = `${host.state.files[file]!}# mine\n`;
  const changed = (await bring(host, NOTHING)).filter(({ outcome }) => outcome === 'changed');
  assert.deepEqual(
    changed.map(({ command }) => command),
    ['rm /etc/netplan/90-beeline-realserver.yaml', 'sysctl -w net.ipv4.conf.all.arp_ignore=0'],
  );
  assert.equal(host.sysctl('net/ipv4/conf/all/arp_ignore'), '8');
  assert.deepEqual(Object.keys(host.state.files), ['/etc/netplan/90-beeline-realserver.yaml']);
});

test('a VIP that somebody else set after a boot is not removed: nothing brought ours back', async () => {
  const wish = wishOf('sysctl');
  const host = new FakeHost(await built(wish), [wish]);
  host.reboot();
  host.state.addresses.push({ ifname: 'lo', local: '192.168.1.100', prefixlen: 32 });
  const before = structuredClone(host.state);
  await bring(host, NOTHING);
  assert.deepEqual(withoutRecord(host.state), withoutRecord(before));
});

test('one VIP of two goes, and what the other needs stays', async () => {
  const vips = [ip('192.168.1.100'), ip('192.168.1.101')];
  for (const method of METHODS) {
    const wish = wishOf(method, 'systemd-networkd', vips);
    const left = withoutVips(wish, [vips[0]!]);
    const host = new FakeHost(await built(wish), [wish, left]);
    await bring(host, left, false, true);
    assert.deepEqual(withoutRecord(host.state), withoutRecord(await built(left)), method);
    await bring(host, NOTHING);
    assert.deepEqual(host.state.files, {});
  }
});

test('another method replaces the one before, which is undone only when the new one stands', async () => {
  for (const from of METHODS) {
    for (const to of METHODS.filter((each) => each !== from)) {
      const [before, after] = [wishOf(from, 'ifupdown'), wishOf(to, 'ifupdown')];
      const host = new FakeHost(await built(before), [before, after]);
      const reports = await bring(host, withVips(before, after.vips, undefined));
      assert.deepEqual(withoutRecord(host.state), withoutRecord(await built(after)), `${from} → ${to}`);
      const order = reports.map(({ outcome }) => outcome === 'undone');
      assert.deepEqual(order, [...order].sort());
    }
  }
});

test('interrupted between one set-up and another, remove leaves nothing, and a second run ends the same', async () => {
  const vips = [...VIPS, ip('192.168.1.101')];
  for (const [from, to] of [
    [wishOf('sysctl', 'netplan'), wishOf('sysctl', 'netplan', vips)],
    [wishOf('nft', 'networkmanager', vips), wishOf('nft', 'networkmanager')],
    [wishOf('arptables', 'ifupdown'), wishOf('nft', 'ifupdown', vips)],
    [wishOf('redirect', 'systemd-networkd'), wishOf('sysctl', 'netplan')],
  ] as const) {
    const [start, end] = [await built(from), withoutRecord(await built(to))];
    for (let changes = 0; ; changes += 1) {
      const host = new FakeHost(structuredClone(start), [from, to]);
      const half = await interrupted(host, changes, () => bring(host, to));
      if (half === undefined) {
        break;
      }
      await bring(host, to);
      assert.deepEqual(withoutRecord(host.state), end);
      const other = new FakeHost(half, [from, to]);
      await bring(other, NOTHING);
      assert.deepEqual(withoutRecord(other.state), withoutRecord(freshState()));
      assert.deepEqual(other.state.files, {});
    }
  }
});

test('remove of one VIP makes nothing that is missing, and does not ask where the other VIP is', async () => {
  const vips = [ip('192.168.1.100'), ip('192.168.1.101')];
  const wish = wishOf('sysctl', undefined, vips);
  const left = withoutVips(wish, [vips[0]!]);
  const host = new FakeHost(await built(wish), [wish]);
  host.state.addresses = host.state.addresses.filter(({ local }) => local !== '192.168.1.101');
  host.state.addresses.push({ ifname: 'ens3', local: '192.168.1.101', prefixlen: 24 });
  const reports = await bring(host, left, false, true);
  assert.deepEqual(
    reports.map(({ what }) => what),
    ['ip address del 192.168.1.100/32 dev lo'],
  );
});

test('a file of somebody else is never overwritten, and nothing is changed', async () => {
  for (const text of ['', 'network: {}\n', '# Written by "beeline realserver setup", edited\n']) {
    const wish = wishOf('nft', 'netplan');
    const host = new FakeHost(freshState(), [wish]);
    host.state.files['/etc/netplan/90-beeline-realserver.yaml'] = text;
    const before = structuredClone(host.state);
    await assert.rejects(bring(host, wish), { code: 'HOST_FOREIGN' });
    assert.deepEqual(host.state, before);
  }
});

test("a table of somebody else is never replaced, and one with somebody's rules is never removed", async () => {
  const wish = wishOf('nft', 'netplan');
  const name = 'arp beeline_192_168_1_100';
  const host = new FakeHost(freshState(), [wish]);
  host.state.tables[name] = 'counter';
  const before = structuredClone(host.state);
  await assert.rejects(bring(host, wish), { code: 'HOST_FOREIGN', hint: /nft list table arp beeline_192_168_1_100/ });
  assert.deepEqual(host.state, before);
  const ours = new FakeHost(await built(wish), [wish]);
  ours.state.tables[name] = 'counter';
  const changed = (await bring(ours, NOTHING)).filter(({ outcome }) => outcome === 'changed');
  assert.deepEqual(
    changed.map(({ command }) => command),
    [`nft delete table ${name}`],
  );
  assert.deepEqual(ours.state.tables, { [name]: 'counter' });
});

test('the table of an earlier wish is replaced, although its record is lost: other ports, another own address', async () => {
  const [before, after] = [wishOf('nft'), wishOf('nft')].map((wish, i) => ({
    vips: wish.vips.map((each) => ({ ...each, rip: ip(`192.168.1.3${i + 1}`) })),
  }));
  const host = new FakeHost({ ...freshState(), tables: (await built(before!)).tables }, [before!, after!]);
  await bring(host, after!);
  assert.deepEqual(host.state.tables, (await built(after!)).tables);
});

test('a VIP of IPv6 where IPv6 is off is refused before anything is changed', async () => {
  const host = new FakeHost(freshState(), []);
  host.state.sysctls['net/ipv6/conf/lo/disable_ipv6'] = '1';
  const before = structuredClone(host.state);
  await assert.rejects(bring(host, wishOf('sysctl')), {
    code: 'HOST_FAILED',
    message: /fd00::100; nothing was changed/,
  });
  assert.deepEqual(host.state, before);
  await bring(host, wishOf('sysctl', undefined, [ip('192.168.1.100')]));
});

test('a VIP where the host answers for it is refused: on the network, or with a wider prefix on lo', async () => {
  for (const [ifname, prefixlen] of [
    ['ens3', 24],
    ['ens3', 32],
    ['lo', 24],
  ] as const) {
    for (const method of METHODS) {
      const host = new FakeHost(freshState(), []);
      host.state.addresses.push({ ifname, local: '192.168.1.100', prefixlen });
      const before = structuredClone(host.state);
      await assert.rejects(bring(host, wishOf(method)), (error) => {
        assert.ok(error instanceof BeelineError && error.code === 'REALSERVER_TAKEN');
        assert.match(error.hint!, new RegExp(`ip address del 192.168.1.100/${prefixlen} dev ${ifname}`));
        return true;
      });
      assert.deepEqual(host.state, before);
    }
  }
});

test('a damaged record stops setup and remove before they change anything', async () => {
  for (const text of ['', '{', '{"version":2}', '{"version":1,"wish":{"vips":[]},"entries":[{}]}', 'null']) {
    const host = new FakeHost(freshState(), []);
    host.state.files[PURPOSE.recordPath] = text;
    const before = structuredClone(host.state);
    await assert.rejects(bring(host, wishOf('sysctl')), { code: 'HOST_RECORD' });
    await assert.rejects(bring(host, NOTHING), { code: 'HOST_RECORD' });
    assert.deepEqual(host.state, before);
  }
});
