/** Writing configurations: what is written reads as the model that it was written of, and comments stay. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { formatConfig, parseConfig, updateConfig } from '../../../src/config/index.js';
import {
  type Destination,
  diffModels,
  familyOf,
  type FlowHandOver,
  type HealthPolicy,
  ip,
  mac,
  type Model,
  parseMarkMatch,
  type Service,
  type VrrpInstance,
  type VrrpSettings,
} from '../../../src/model/index.js';
import { anyHealth, anyHealthSettings, anyRealServerHealth } from '../../support/health-models.js';
import { anyServices } from '../../support/models.js';

const optional = <Value>(values: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(values, { nil: undefined });

/** Without what is undefined, as a file's model is. */
function defined<Type extends object>(value: Type): Type {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Type;
}

const seconds = fc.integer({ min: 1, max: 1000 });
const timeouts = fc
  .record(
    { established: optional(seconds), udp: optional(seconds), close: optional(seconds) },
    { noNullPrototype: true },
  )
  .map(defined)
  .filter((values) => Object.keys(values).length > 0);

/** Settings that any service can have. */
const policy = fc
  .record(
    {
      scheduler: fc.constantFrom('maglev', 'rr', 'wlc', 'sh', 'mh'),
      timeouts: optional(timeouts),
      ttl: optional(fc.constantFrom('keep', 'decrement')),
      noDestination: optional(fc.constantFrom('reject', 'drop')),
      unresolved: optional(fc.constantFrom('hold', 'move')),
      persistence: optional(seconds.map((timeout) => ({ timeout }))),
    },
    { noNullPrototype: true },
  )
  .map(defined) as fc.Arbitrary<Partial<Service>>;

const destination = fc
  .record(
    {
      upperThreshold: optional(fc.integer({ min: 10, max: 20 })),
      lowerThreshold: optional(fc.integer({ min: 1, max: 10 })),
      mac: optional(fc.constant('02:00:00:00:00:07')),
      vlan: optional(fc.constantFrom({ id: 7 }, { id: 7, outer: 8 })),
    },
    { noNullPrototype: true },
  )
  .map(({ upperThreshold, lowerThreshold, ...rest }) =>
    defined({ ...rest, upperThreshold, lowerThreshold: upperThreshold && lowerThreshold }),
  ) as fc.Arbitrary<Partial<Destination>>;

/** Services of marked packets, with rules or without, and rules without a service. */
const marks: fc.Arbitrary<Pick<Model, 'markServices' | 'markRules'>> = fc
  .tuple(
    fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(4, 6)), {
      maxLength: 4,
      selector: (key) => key.join(),
    }),
    fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(4, 6), fc.integer({ min: 1, max: 20 })), {
      maxLength: 8,
      selector: ([, family, port]) => `${family} ${port}`,
    }),
    fc.integer({ min: 0, max: 3 }),
  )
  .map(([keys, rules, servers]) => ({
    markServices: keys.map(([mark, family]) => ({
      mark,
      family: family,
      scheduler: 'wlc',
      destinations: Array.from({ length: servers }, (_, i) => ({
        address: family === 4 ? ip(`10.7.0.${i + 1}`) : ip(`fd77::${i + 1}`),
        weight: i,
      })),
    })),
    markRules: rules.map(([mark, family, port]) => ({
      mark,
      match: {
        protocol: 'tcp' as const,
        address: family === 4 ? ip('10.8.0.1') : ip('fd88::1'),
        prefixLength: family === 4 ? 32 : 128,
        firstPort: port,
        lastPort: port,
      },
    })),
  }));

/** Without what does not fit: checks without a port to go to, and fallbacks of the other family. */
function healthFor({ address, port }: Service, health: HealthPolicy | undefined): HealthPolicy | undefined {
  if (health === undefined || port === 0) {
    return undefined;
  }
  const { fallback, ...rest } = health;
  return familyOf(address) === 6 || fallback === undefined ? rest : health;
}

/** Instances with names and ids that are theirs alone, and VIPs or not. */
const anyInstance = fc.record(
  {
    interface: fc.constantFrom('ens3', 'ens4', 'eth7'),
    priority: fc.constantFrom(1, 100, 254),
    interval: fc.constantFrom(0.01, 0.1, 0.29, 1, 40.95),
    vmac: optional(fc.boolean()),
    preempt: optional(fc.constant(true)),
    preemptDelay: optional(fc.constantFrom(0, 2.5)),
    isNamed: fc.boolean(),
  },
  { noNullPrototype: true },
);
const anyVrrp: fc.Arbitrary<VrrpSettings> = fc
  .record(
    {
      routerName: optional(fc.constant('lb-1.example')),
      instances: fc.array(anyInstance, { minLength: 1, maxLength: 4 }),
    },
    { noNullPrototype: true },
  )
  .map(({ instances, ...rest }) =>
    defined({
      ...rest,
      instances: instances.map(({ isNamed, ...each }, i): VrrpInstance => {
        const ends = [
          { addresses: [ip(`10.99.0.${i}`), ip(`10.99.1.${i}`)], source: ip('10.99.9.1') },
          { addresses: [ip(`fd99::${i + 1}`)], peers: [ip('fe80::1'), ip('fe80::2')] },
          { family: 6 as const },
          {},
        ][i]!;
        const is6 = i === 1 || i === 2;
        const name = isNamed ? `lan-${i}` : `VI_${i + 1}${is6 ? '_6' : ''}`;
        return defined({ ...each, ...ends, name, id: i + 1 });
      }),
    }),
  );

const model: fc.Arbitrary<Model> = fc
  .tuple(
    anyServices,
    fc.array(policy, { minLength: 12, maxLength: 12 }),
    fc.array(destination, { minLength: 12, maxLength: 12 }),
    fc.record(
      {
        interfaces: fc.constantFrom(['ens3'], ['ens3', 'ens4']),
        mode: fc.constantFrom('native', 'generic', 'auto'),
        fragments: optional(fc.boolean()),
        vlans: optional(fc.boolean()),
        directors: optional(fc.constantFrom([ip('10.9.9.9')], [ip('10.9.9.9'), mac('02:00:00:00:00:01')])),
        hostClients: fc.constant(true),
        clientBridges: optional(fc.constantFrom(['docker0'], ['docker0', 'br-lan'])),
        timeouts: optional(timeouts),
        flows: optional(fc.constant({ ipv4: 4096 })),
        health: optional(anyHealthSettings),
        vrrp: optional(anyVrrp),
        flowHandOver: optional(
          fc.constantFrom<FlowHandOver>(
            { listen: ip('10.9.8.1'), peer: ip('10.9.8.2'), port: 7447 },
            {
              ...{ listen: ip('fd98::1'), peer: ip('fd98::2'), port: 99 },
              tls: { certificate: '/c.pem', key: '/k.pem', authority: '/a b.pem' },
            },
          ),
        ),
      },
      { noNullPrototype: true },
    ),
    marks,
    fc.array(optional(anyHealth), { minLength: 12, maxLength: 12 }),
    fc.array(optional(anyRealServerHealth), { minLength: 12, maxLength: 12 }),
    fc.array(optional(fc.boolean()), { minLength: 12, maxLength: 12 }),
  )
  .map(([services, policies, destinations, settings, marks, healths, ownHealths, essentials]) => {
    const some = services.map((each, i): Service => {
      const health = healthFor(each, healths[i]);
      return defined({
        ...each,
        ...policies[i]!,
        health,
        essential: health !== undefined && health.checks.length > 0 ? essentials[i] : undefined,
        destinations: each.destinations.map((server, j) =>
          defined({
            ...server,
            ...destinations[(i + j) % 12]!,
            health: health === undefined ? undefined : ownHealths[(i + j) % 12],
          }),
        ),
      });
    });
    return { ...defined(settings), services: some, ...marks };
  });

test('any model that is written to a new file is read back the same', () => {
  fc.assert(
    fc.property(model, (each) => {
      // Rules stand with their marks, in whatever order.
      const { markServices = [], markRules = [], ...rest } = parseConfig(formatConfig(each), 'new');
      const names = (rules: Model['markRules'] = []): string[] => rules.map((rule) => JSON.stringify(rule)).sort();
      assert.deepEqual([names(markRules)], [names(each.markRules)]);
      assert.deepEqual({ ...rest, markServices, markRules: each.markRules }, each);
    }),
    { numRuns: 200 },
  );
});

test('any model that is written into the file of any other model is read back the same', () => {
  fc.assert(
    fc.property(model, model, (before, after) => {
      const text = updateConfig(formatConfig(before), after, 'old');
      const read = parseConfig(text, 'old');
      assert.deepEqual(diffModels(read, after), []);
      assert.deepEqual(
        read.services.map(({ address, port, destinations }) => [address, port, destinations]),
        after.services.map(({ address, port, destinations }) => [address, port, destinations]),
      );
      assert.deepEqual(read.markServices ?? [], after.markServices);
      assert.equal(updateConfig(text, after, 'old'), text);
    }),
    { numRuns: 60 },
  );
});

const FILE = `# The web's director.
interfaces: [ens3] # towards the switch
mode: generic

timeouts: { established: 7200 } # as the firewall's
services:
  # The shop.
  - address: 192.168.1.100
    port: 80
    scheduler: wrr # until all are alike
    realServers:
      - 192.168.1.31 # rack 1
      # to be replaced
      - { address: 192.168.1.32, weight: 3 } # rack 2
      - 192.168.1.33

  # Names.
  - { address: 'fd00::100', port: 53, protocol: udp, realServers: ['fd00::31', 'fd00::32'] }
`;

function changed(text: string, change: (model: Model) => Model): string {
  return updateConfig(text, change(parseConfig(text, 'file')), 'file');
}

function withFirst(change: (service: Service) => Service): (model: Model) => Model {
  return (each) => ({ ...each, services: each.services.map((service, i) => (i === 0 ? change(service) : service)) });
}

test('an unchanged model leaves the text unchanged', () => {
  assert.equal(
    changed(FILE, (each) => ({ ...each })),
    FILE,
  );
});

test('a changed weight changes nothing else in the text', () => {
  const heavier = withFirst((service) => ({
    ...service,
    destinations: service.destinations.map((each) => (each.weight === 3 ? { ...each, weight: 5 } : each)),
  }));
  assert.equal(changed(FILE, heavier), FILE.replace('weight: 3', 'weight: 5'));
});

test('comments stay with their lines when a scheduler changes and real servers come and go', () => {
  const text = changed(
    FILE,
    withFirst((service) => ({
      ...service,
      scheduler: 'wlc',
      destinations: [
        { address: ip('192.168.1.31'), weight: 2 },
        { address: ip('192.168.1.32'), weight: 3 },
        { address: ip('192.168.1.34'), weight: 1 },
        { address: ip('192.168.1.35'), weight: 2, upperThreshold: 100 },
      ],
    })),
  );
  assert.equal(
    text,
    FILE.replace('wrr', 'wlc')
      .replace('- 192.168.1.31 #', '- { address: 192.168.1.31, weight: 2 } #')
      .replace(
        '      - 192.168.1.33\n',
        '      - 192.168.1.34\n      - { address: 192.168.1.35, weight: 2, upperThreshold: 100 }\n',
      ),
  );
});

test('a service is added and another is removed', () => {
  const service: Service = {
    address: ip('192.168.1.101'),
    port: 443,
    protocol: 'tcp',
    scheduler: 'wlc',
    persistence: { timeout: 300, mask: ip('255.255.255.0') },
    destinations: [
      { address: ip('192.168.1.31'), weight: 1 },
      { address: ip('192.168.1.32'), weight: 0 },
    ],
  };
  const text = changed(FILE, (each) => ({ ...each, services: [each.services[0]!, service] }));
  assert.equal(
    text,
    FILE.replace(
      /\n {2}# Names[^]*/,
      `  - address: 192.168.1.101
    port: 443
    scheduler: wlc
    persistence: { timeout: 300, mask: 255.255.255.0 }
    realServers:
      - 192.168.1.31
      - { address: 192.168.1.32, weight: 0 }
`,
    ),
  );
});

test('services are added to a file with interfaces only, which keeps its comment', () => {
  for (const text of ['# ours\ninterfaces: [ens3]\n', '# ours\ninterfaces: [ens3]\nservices: []\n']) {
    const next = changed(text, (each) => ({ ...each, services: parseConfig(FILE, 'file').services }));
    assert.ok(
      next.startsWith('# ours\ninterfaces: [ens3]\nservices:\n  - address: 192.168.1.100\n    port: 80\n'),
      next,
    );
    assert.equal(familyOf(parseConfig(next, 'file').services[1]!.address), 6);
  }
});

test('a value that several places share by an anchor is changed at the anchor', () => {
  const text = `interfaces: [ens3]
services:
  - { address: 10.0.0.1, port: 80, realServers: &all [10.1.0.1, 10.1.0.2] } # first
  - { address: 10.0.0.1, port: 81, realServers: *all }
`;
  for (const which of [0, 1]) {
    const next = changed(text, (each) => ({
      ...each,
      services: each.services.map((service, i) =>
        i === which ? { ...service, destinations: service.destinations.slice(1) } : service,
      ),
    }));
    assert.match(next, /# first/);
    assert.deepEqual(
      parseConfig(next, 'file').services.map(({ destinations }) => destinations.length),
      which === 0 ? [1, 2] : [2, 1],
    );
  }
});

test('unindented lists and CRLF line ends stay so', () => {
  const text =
    'interfaces: [ens3]\r\nservices:\r\n- address: 10.0.0.1\r\n  port: 80\r\n  realServers:\r\n  - 10.1.0.1\r\n';
  const next = changed(
    text,
    withFirst((service) => ({
      ...service,
      destinations: [...service.destinations, { address: ip('10.1.0.2'), weight: 1 }],
    })),
  );
  assert.equal(next, `${text}  - 10.1.0.2\r\n`);
});

test('mark rules keep their places and comments when a service comes and goes', () => {
  const text = `interfaces: [ens3]
marks:
  - mark: 7 # of the firewall
    match:
      - tcp:192.168.1.100:80 # web
      - tcp:192.168.1.100:443
  - { mark: 8, match: ['tcp:[fd00::100]:80'], family: ipv6, realServers: ['fd00::31'] }
`;
  const rule = parseMarkMatch('udp:192.168.1.100:*')!;
  const added = changed(text, (each) => ({
    ...each,
    markServices: [...each.markServices!, { mark: 7, family: 4, scheduler: 'rr', destinations: [] }],
    markRules: [...each.markRules!.filter(({ match }) => match.lastPort !== 443), { mark: 7, match: rule }],
  }));
  assert.match(
    added,
    /match:\n {6}- tcp:192\.168\.1\.100:80 # web\n {6}- udp:192\.168\.1\.100:\*\n {4}scheduler: rr\n/,
  );
  assert.equal(
    changed(text, (each) => ({ ...each, markServices: [] })),
    text.replace(", realServers: ['fd00::31']", ''),
  );
});

/** Returns the file after services, or real servers of the first one, are left out. */
function without(text: string, change: (services: readonly Service[]) => readonly Service[]): string {
  const model = parseConfig(text, 'file');
  const next = { ...model, services: change(model.services) };
  const updated = updateConfig(text, next, 'file');
  assert.deepEqual(diffModels(parseConfig(updated, 'file'), next), []);
  return updated;
}

const WEB = 'interfaces: [ens3]\nservices:\n';

test('an anchor moves to the first place that needs it when its own place goes', () => {
  const two = (first: string, second: string): string =>
    `${WEB}  - ${first}\n  - { address: 192.168.1.100, port: 443, realServers: ${second} }\n  - { address: 192.168.1.100, port: 444, realServers: ${second} }\n`;
  const tail = (services: readonly Service[]): readonly Service[] => services.slice(1);
  assert.equal(
    without(two('{ address: 192.168.1.100, port: 80, realServers: &rs [192.168.1.31] }', '*rs'), tail),
    `${WEB}  - { address: 192.168.1.100, port: 443, realServers: &rs [192.168.1.31] }\n  - { address: 192.168.1.100, port: 444, realServers: *rs }\n`,
  );
  assert.equal(
    without(two('{ address: 192.168.1.100, port: 80, realServers: [&a 192.168.1.31, 192.168.1.32] }', '[*a]'), tail),
    `${WEB}  - { address: 192.168.1.100, port: 443, realServers: [&a 192.168.1.31] }\n  - { address: 192.168.1.100, port: 444, realServers: [*a] }\n`,
  );
  // A name that stands for two values, one after another, and anchors within anchors.
  const named = `${WEB}  - { address: &x 192.168.1.100, port: 80, realServers: [&x 192.168.1.31] }\n  - { address: 192.168.1.100, port: 81, realServers: [*x] }\n`;
  assert.match(without(named, tail), /port: 81, realServers: \[&x 192\.168\.1\.31\]/);
  const within = `${WEB}  - { address: 192.168.1.100, port: 80, realServers: &rs [&a 192.168.1.31, 192.168.1.32] }\n  - { address: 192.168.1.100, port: 81, realServers: *rs }\n  - { address: 192.168.1.100, port: 82, realServers: [*a] }\n`;
  assert.match(without(within, tail), /81, realServers: &rs \[&a 192.*\n.*82, realServers: \[\*a\] \}/);
  assert.match(
    without(within, ([first, ...rest]) => [{ ...first!, destinations: first!.destinations.slice(1) }, ...rest]),
    /80, .*\n.*81, .*192\.168\.1\.31.*\n.*82, .*192\.168\.1\.31/,
  );
});

const SPACED = `# Top

interfaces:   [ ens3 ]   # the NIC
mode:  'native'


services:

  # web
  - address:   192.168.1.100
    port:      80
    scheduler: wrr       # by weight
    realServers:
      - { address: 192.168.1.31, weight: 1 }   # first
      - {address: 192.168.1.32,   weight: 2}


  # dns
  -   address: 192.168.1.100
      port: 53
      protocol: udp
      realServers: [192.168.1.31,   192.168.1.32]

timeouts: {udp: 60}

`;

test('what does not change keeps its spaces, blank lines and quotes', () => {
  const [web, dns] = parseConfig(SPACED, 'file').services as [Service, Service];
  const [first, second] = web.destinations as [Destination, Destination];
  const changed = without(SPACED, () => [{ ...web, destinations: [first, { ...second, weight: 5 }] }, dns]);
  assert.equal(changed, SPACED.replace('{address: 192.168.1.32,   weight: 2}', '{ address: 192.168.1.32, weight: 5 }'));
  assert.equal(
    without(SPACED, () => [dns]),
    // A comment above the first entry is about the list.
    SPACED.replace(/ {2}- address: {3}[^]*?(?=\n\n {2}# dns)/, ''),
  );
  assert.equal(
    without(SPACED, () => [{ ...web, scheduler: 'rr' }, dns]),
    SPACED.replace('scheduler: wrr       #', 'scheduler: rr #'),
  );
  const added = without(SPACED, () =>
    [web, { ...dns, destinations: [...dns.destinations, first] }].slice(0, 1).concat({ ...dns, port: 54 }),
  );
  assert.match(added, /^timeouts: \{udp: 60\}\n\n$/m);
  const crlf = SPACED.replaceAll('\n', '\r\n');
  assert.equal(
    without(crlf, () => [{ ...web, scheduler: 'rr' }, dns]),
    crlf.replace('scheduler: wrr       #', 'scheduler: rr #'),
  );
});

test('a large file is saved in little time, wherever it changes', () => {
  const services = Array.from({ length: 300 }, (_, i) => {
    const servers = Array.from({ length: 30 }, (__, j) => `      - 10.1.${j}.${(i % 250) + 1}\n`).join('');
    return `  - address: 10.${100 + (i >> 8)}.${i & 255}.1\n    port:   80\n    realServers:\n${servers}`;
  });
  const text = `${WEB}${services.join('\n')}`;
  const changed = without(text, (all) => all.filter((_, i) => i % 7 !== 3));
  assert.equal(changed.split('\n').length, text.split('\n').length - 43 * 34);
  assert.match(changed, /port: {3}80/);
});
