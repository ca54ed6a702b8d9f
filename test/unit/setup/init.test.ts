/** `beeline init`: whatever is answered gives a configuration that means it, and a wrong answer is told at once. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { parseConfig } from '../../../src/config/index.js';
import { BeelineError, familyOf, ip, ipFromBytes, mac, SCHEDULERS, vipsOf } from '../../../src/model/index.js';
import {
  type Answers,
  CHECKS,
  familiesOf,
  parseCheck,
  parsePersistence,
  parsePorts,
  parseRealServers,
  parseRouterId,
  parseSecond,
  parseVips,
} from '../../../src/setup/init/answers.js';
import { parseNeighbours } from '../../../src/setup/init/listings.js';
import { candidates, isIn, type MachineFacts, type Surroundings } from '../../../src/setup/init/machine.js';
import { nextSteps } from '../../../src/setup/init/next.js';
import { collect, doubts, type Key, type Question } from '../../../src/setup/init/questions.js';
import { configText } from '../../../src/setup/init/text.js';

const AROUND: Surroundings = {
  candidates: [
    {
      name: 'ens3',
      mac: mac('00:50:00:00:04:00'),
      carrier: true,
      addresses: ['192.168.1.21/24', 'fd00::21/64'],
      nativeXdp: true,
      isDefault: true,
      neighbours: [ip('192.168.1.31'), ip('192.168.1.32'), ip('fd00::31')],
    },
  ],
  names: ['lo', 'ens3'],
};
const GIVEN = { vip: '192.168.1.100', realServer: '192.168.1.31' };

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipFromBytes(Uint8Array.of(10, ...bytes.slice(1)))),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ipFromBytes(Uint8Array.of(0xfd, ...bytes.slice(1)))),
);

/** What people can answer, as the parsers let it through. */
const answers: fc.Arbitrary<Answers> = fc
  .record({
    interface: fc.oneof(
      fc.constantFrom('ens3', 'no', '1e3', 'a b'.replace(' ', '.'), '-x', 'null', '"', "'", '#x'),
      fc.stringMatching(/^[a-z0-9._"'{}&*!|>%@`-]{1,15}$/),
    ),
    mode: fc.constantFrom('native' as const, 'generic' as const),
    vips: fc.uniqueArray(address, { minLength: 1, maxLength: 4 }),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    ports: fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 4 }),
    scheduler: fc.constantFrom(...SCHEDULERS),
    servers: fc.uniqueArray(address, { minLength: 1, maxLength: 6 }),
    weights: fc.array(fc.integer({ min: 0, max: 65_535 }), { minLength: 6, maxLength: 6 }),
    persistence: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 86_400 })),
    checkIndex: fc.nat(),
    second: fc.option(fc.record({ address, id: fc.integer({ min: 1, max: 255 }) }), { nil: undefined }),
  })
  .map(({ servers, weights, checkIndex, ...rest }): Answers => {
    const checks = [...CHECKS[rest.protocol], 'dns:www.example.com' as const];
    return {
      ...rest,
      realServers: servers.map((each, i) => ({ address: each, weight: weights[i]! })),
      check: checks[checkIndex % checks.length]!,
    };
  })
  .filter(({ interface: name }) => name !== '.' && name !== '..')
  .filter((each) => isAccepted(each));

/** Whether the parsers take the answers. */
function isAccepted({ vips, realServers, second }: Answers): boolean {
  try {
    parseRealServers(realServers.map((each) => `${each.address}=${each.weight}`).join(' '), { vips });
    return second === undefined || parseSecond(second.address, { vips, realServers }) === second.address;
  } catch (error) {
    assert.ok(error instanceof BeelineError);
    return false;
  }
}

test('any answers give a configuration without problems that has just these VIPs, ports and real servers', () => {
  fc.assert(
    fc.property(answers, (given) => {
      const model = parseConfig(configText(given), 'new');
      assert.deepEqual(model.interfaces, [given.interface]);
      assert.equal(model.mode, given.mode);
      assert.deepEqual(vipsOf(model), given.vips);
      assert.equal(model.services.length, given.vips.length * given.ports.length);
      for (const service of model.services) {
        const { protocol, scheduler, persistence, destinations, health } = service;
        assert.deepEqual([protocol, scheduler], [given.protocol, given.scheduler]);
        assert.equal(persistence?.timeout ?? 0, given.persistence);
        assert.equal(health === undefined, given.check === 'none');
        assert.deepEqual(
          destinations.map((each) => ({ address: each.address, weight: each.weight })),
          given.realServers.filter((each) => familyOf(each.address) === familyOf(service.address)),
        );
      }
      assert.equal(model.vrrp?.instances[0]?.id, given.second?.id);
    }),
    { numRuns: 300 },
  );
});

test('with --yes, defaults answer what no option does', async () => {
  const found = await collect(GIVEN, AROUND, undefined);
  assert.deepEqual(found, {
    ...{ interface: 'ens3', mode: 'native', vips: ['192.168.1.100'], protocol: 'tcp', ports: [80] },
    ...{ scheduler: 'maglev', realServers: [{ address: '192.168.1.31', weight: 1 }], persistence: 0, check: 'http' },
  });
  parseConfig(configText(found), 'new');
});

test('what has no default is named by its option, and so is an option that is wrong', async () => {
  for (const [given, said] of [
    [{}, /^--vip is missing/],
    [{ vip: '192.168.1.100' }, /^--real-server is missing/],
    [{ ...GIVEN, port: '0' }, /^--port: "0" is no port/],
    [{ ...GIVEN, interface: 'ens33' }, /^--interface: there is no interface "ens33": this host has lo, ens3/],
    [{ ...GIVEN, interface: 'lo' }, /^--interface: no client comes by lo/],
    [{ ...GIVEN, vip: '127.0.0.1' }, /^--vip: "127\.0\.0\.1" cannot be a VIP/],
    [{ ...GIVEN, vip: '224.0.0.1' }, /^--vip/],
    [{ ...GIVEN, vip: 'fe80::1%ens3' }, /^--vip/],
    [{ ...GIVEN, routerId: '5' }, /^--router-id: .*there is none/],
    [{ ...GIVEN, secondDirector: '192.168.1.22', routerId: '256' }, /^--router-id: "256"/],
  ] as const) {
    await assert.rejects(collect(given, AROUND, undefined), { code: 'USAGE', message: said });
  }
  await assert.rejects(collect(GIVEN, { candidates: [], names: ['lo'] }, undefined), {
    message: /^--interface is missing/,
  });
});

/** Answers with the texts in turn, and keeps what was asked. */
function typing(texts: readonly string[]) {
  const left = [...texts];
  const asked: { key: Key; mistake: string | undefined }[] = [];
  return {
    asked,
    ask: ({ key }: Question, mistake: string | undefined): Promise<string> => {
      asked.push({ key, mistake });
      const text = left.shift();
      return text === undefined ? Promise.reject(new Error('asked too much')) : Promise.resolve(text);
    },
  };
}

test('a wrong answer is asked again with a sentence that says why, and Enter takes the default', async () => {
  const { ask, asked } = typing([
    '',
    '',
    '10.0.0.300',
    ' 192.168.1.100,fd00::100 ',
    '',
    '',
    '',
    '192.168.1.31',
    '192.168.1.31=3 fd00::31',
    '',
    '',
    'none',
  ]);
  const found = await collect({}, AROUND, ask);
  assert.deepEqual(found.vips, ['192.168.1.100', 'fd00::100']);
  assert.deepEqual(found.realServers, [
    { address: '192.168.1.31', weight: 3 },
    { address: 'fd00::31', weight: 1 },
  ]);
  assert.deepEqual(
    asked.flatMap(({ key, mistake }) => (mistake === undefined ? [] : [`${key}: ${mistake}`])),
    [
      'vip: this one has no default',
      'vip: "10.0.0.300" cannot be a VIP',
      'realServer: fd00::100 needs at least one real server with an IPv6 address',
    ],
  );
});

test('questions that an option answers, or that have no meaning, are not asked; the end of the input ends them all', async () => {
  const { ask, asked } = typing(['', '', '', '', '', '', '192.168.1.22', '']);
  const found = await collect(GIVEN, AROUND, ask);
  assert.deepEqual(found.second, { address: '192.168.1.22', id: 51 });
  assert.deepEqual(
    asked.map(({ key }) => key),
    ['interface', 'protocol', 'port', 'scheduler', 'persistence', 'check', 'secondDirector', 'routerId'],
  );
  await assert.rejects(collect(GIVEN, AROUND, typing([]).ask), /asked too much/);
});

test('each answer is validated', () => {
  const vips = { vips: [ip('192.168.1.100')] };
  for (const [work, said] of [
    [() => parseVips(''), /at least one VIP/],
    [() => parsePorts('80 x'), /"x" is no port/],
    [() => parsePorts(''), /at least one port/],
    [() => parseRealServers('', vips), /needs at least one real server with an IPv4/],
    [() => parseRealServers('192.168.1.100', vips), /is a VIP/],
    [() => parseRealServers('192.168.1.31 192.168.1.31=2', vips), /twice/],
    [() => parseRealServers('192.168.1.31=x', vips), /weight/],
    [() => parseRealServers('192.168.1.31=', vips), /weight/],
    [() => parseRealServers('192.168.1.31=1=2', vips), /weight/],
    [() => parseRealServers('real1', vips), /is no address/],
    [() => parseRealServers('127.0.0.1', vips), /cannot be a real server: is a loopback/],
    [() => parseRealServers('fd00::31', vips), /serves no VIP/],
    [() => parsePersistence('-1'), /seconds/],
    [() => parsePersistence('1.5'), /seconds/],
    [() => parseCheck('smtp', { protocol: 'udp' }), /no check of udp/],
    [() => parseCheck('dns', { protocol: 'udp' }), /dns:www/],
    [() => parseCheck('dns:a b', { protocol: 'udp' }), /dns:www/],
    [() => parseCheck('dns:a:b', { protocol: 'udp' }), /dns:www/],
    [() => parseCheck('tcp:80', { protocol: 'tcp' }), /"tcp:80" is no check/],
    [() => parseSecond('lb2', { ...vips, realServers: [] }), /no address of a director/],
    [() => parseSecond('192.168.1.100', { ...vips, realServers: [] }), /is a VIP/],
    [() => parseRouterId('0'), /from 1 to 255/],
  ] as const) {
    assert.throws(work, { code: 'USAGE', message: said });
  }
  assert.deepEqual(parsePorts('80, 443 80'), [80, 443]);
  assert.equal(parsePersistence('none'), 0);
  assert.deepEqual(familiesOf([ip('fd00::1')]), [6]);
});

test('a driver without native XDP makes the mode generic; one that nobody knows of does not', async () => {
  const around = (nativeXdp: boolean | undefined): Surroundings => ({
    ...AROUND,
    candidates: [{ ...AROUND.candidates[0]!, nativeXdp }],
  });
  const modeOf = async (nativeXdp: boolean | undefined) => (await collect(GIVEN, around(nativeXdp), undefined)).mode;
  assert.deepEqual([await modeOf(false), await modeOf(true), await modeOf(undefined)], ['generic', 'native', 'native']);
});

test('doubts: a real server of another network, this host as its own, a card without carrier', async () => {
  const of = async (given: Partial<Record<Key, string>>, around = AROUND) =>
    doubts(await collect({ ...GIVEN, ...given }, around, undefined), around);
  assert.deepEqual(await of({}), []);
  assert.match((await of({ realServer: '10.0.0.1' })).join(), /10\.0\.0\.1 is in no network of ens3/);
  assert.match((await of({ realServer: '192.168.1.21' })).join(), /is this host/);
  assert.match(
    (await of({ realServer: '192.168.1.31=3', scheduler: 'rr' })).join(),
    /rr ignores weights but 0: wrr has/,
  );
  assert.deepEqual(await of({ realServer: '192.168.1.31=3', scheduler: 'wrr' }), []);
  assert.match((await of({ secondDirector: '192.168.1.21' })).join(), /name the other director/);
  assert.match((await of({ vip: '192.168.1.21' })).join(), /192\.168\.1\.21 is this host's own address/);
  assert.match((await of({ vip: '192.168.1.255' })).join(), /192\.168\.1\.255 is no host of 192\.168\.1\.21\/24/);
  assert.match((await of({ realServer: '192.168.1.0' })).join(), /192\.168\.1\.0 is no host/);
  assert.deepEqual(await of({ vip: 'fd00::100', realServer: 'fd00::ffff' }), []);
  const unplugged = { ...AROUND, candidates: [{ ...AROUND.candidates[0]!, carrier: false }] };
  assert.match((await of({}, unplugged)).join(), /no carrier/);
});

test('what is next: the VIPs here, or keepalived; the real servers; the router of a VIP of another network', async () => {
  const [own] = AROUND.candidates;
  const of = async (given: Partial<Record<Key, string>>) =>
    nextSteps(await collect({ ...GIVEN, ...given }, AROUND, undefined), '/etc/beeline/beeline.yaml', own).map(
      ({ command }) => command,
    );
  const plain = await of({});
  assert.ok(plain.includes('beeline vip add --persist auto'));
  assert.ok(plain.includes('beeline realserver setup --vip 192.168.1.100 --persist auto'));
  const pair = await of({ secondDirector: '192.168.1.22' });
  assert.ok(!pair.some((command) => command.includes('vip add')));
  assert.ok(pair.some((command) => command.startsWith('beeline keepalived write')));
  assert.ok(pair.some((command) => command.endsWith('&& systemctl reload-or-restart keepalived')));
  assert.ok((await of({ vip: '203.0.113.1' })).includes('ip route add 203.0.113.1 via 192.168.1.21'));
  // With two directors, an address that stays at one of them is no next hop.
  const routed = await of({ vip: '192.168.1.100 203.0.113.1', secondDirector: '192.168.1.22' });
  assert.ok(routed.includes('ip route add 203.0.113.1 via 192.168.1.100'));
  const far = await of({ vip: '203.0.113.1', secondDirector: '192.168.1.22' });
  assert.ok(far.includes('ip route add 203.0.113.1 via A VIP IN A NETWORK OF ens3'));
});

test('what is next names another file as a shell reads it, and says nothing of networks that are not known', async () => {
  const answers = await collect({ ...GIVEN, secondDirector: '192.168.1.22' }, AROUND, undefined);
  const commands = nextSteps(answers, '/tmp/a b.yaml', undefined).map(({ command }) => command);
  for (const command of ["beeline check '/tmp/a b.yaml'", "beeline run '/tmp/a b.yaml'"]) {
    assert.ok(commands.includes(command), command);
  }
  assert.ok(commands.includes("scp '/tmp/a b.yaml' 'root@192.168.1.22:/tmp/a b.yaml'"));
  assert.ok(!commands.some((command) => command.startsWith('ip route')));
  const { second: _, ...alone } = answers;
  const single = nextSteps(alone, '/tmp/b.yaml', undefined).map(({ command }) => command);
  assert.ok(single.includes('beeline vip add --config /tmp/b.yaml --persist auto'));
});

test('the likeliest card comes first: with a cable, then with the default route; bridges and lo are none', () => {
  const link = (name: string, ifindex: number, rest: object = {}) => ({
    ...{ name, ifindex, mac: mac('00:50:00:00:04:00'), mtu: 1500, up: true, carrier: true, kind: '' },
    ...{ master: undefined, lower: undefined, vlan: undefined, peer: undefined, ...rest },
  });
  const facts: MachineFacts = {
    links: [
      link('lo', 1),
      link('ens4', 4, { carrier: false }),
      link('ens5', 5),
      link('ens3', 3, { master: 9 }),
      link('ens6', 6, { up: false }),
      link('br0', 9, { kind: 'bridge' }),
    ],
    addresses: [
      { device: 'br0', address: '192.168.1.21', prefix: 24 },
      { device: 'ens3', address: 'fe80::1', prefix: 64 },
    ],
    neighbours: [
      { device: 'br0', address: '192.168.1.1', isRouter: false },
      { device: 'br0', address: '192.168.1.31', isRouter: false },
      { device: 'br0', address: 'fe80::31', isRouter: false },
      { device: 'ens5', address: '10.0.0.1', isRouter: false },
    ],
    defaults: [{ device: 'br0', gateway: '192.168.1.1' }],
    nativeXdp: new Map([[3, true]]),
  };
  const found = candidates(facts);
  assert.deepEqual(
    found.map(({ name }) => name),
    ['ens3', 'ens5', 'ens4'],
  );
  assert.deepEqual(found[0]!.addresses, ['192.168.1.21/24']);
  assert.deepEqual(found[0]!.neighbours, ['192.168.1.31']);
  assert.ok(isIn(ip('192.168.1.99'), '192.168.1.21/24') && !isIn(ip('192.168.2.99'), '192.168.1.21/24'));
  assert.ok(isIn(ip('fd00::99'), 'fd00::21/64') && !isIn(ip('10.0.0.1'), 'fd00::21/64'));
});

test('neighbours are those whose MAC is known', () => {
  const json = `[{"dst":"192.168.1.31","dev":"ens3","lladdr":"00:50:00:00:01:00","state":["REACHABLE"]},
    {"dst":"192.168.1.99","dev":"ens3","state":["FAILED"]},
    {"dst":"fe80::1","dev":"ens3","lladdr":"00:50:00:00:09:00","router":null,"state":["STALE"]}]`;
  assert.deepEqual(parseNeighbours(json), [
    { device: 'ens3', address: '192.168.1.31', isRouter: false },
    { device: 'ens3', address: 'fe80::1', isRouter: true },
  ]);
  assert.deepEqual(parseNeighbours(''), []);
});
