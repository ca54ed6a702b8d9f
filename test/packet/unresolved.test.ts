/** The real program while real servers do not resolve: their flows wait for them, new flows go elsewhere. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { MoveTracker } from '../../src/dataplane/index.js';
import { compile } from '../../src/image/index.js';
import {
  familyOf,
  ip,
  type IpAddress,
  isHashing,
  type Resolution,
  SCHEDULERS,
  type Service,
  serviceName,
} from '../../src/model/index.js';
import { Caller } from '../support/clients.js';
import { PacketDirector } from '../support/director.js';
import { service, worldOf } from '../support/models.js';

const [VIP, VIP6] = [ip('10.99.0.10'), ip('fd99::10')] as const;
const SERVERS = [ip('10.99.0.31'), ip('10.99.0.32'), ip('10.99.0.33')] as const;
const SERVERS6 = [ip('fd99::31'), ip('fd99::32'), ip('fd99::33')] as const;
const FLOWS = { ipv4: 1 << 14, ipv6: 1 << 14 };
const SILENT: Resolution = { state: 'unresolved', reason: 'no answer' };
/** In milliseconds. */
const HANDSHAKE = 60_000;

type Unresolved = Readonly<Record<IpAddress, Resolution>>;

function silent(...addresses: readonly IpAddress[]): Unresolved {
  return Object.fromEntries(addresses.map((address) => [address, SILENT]));
}

/** Every scheduler with each of some policies, both families, on ports of their own. Real servers take many flows. */
function servicesFor(...policies: readonly Partial<Service>[]): Service[] {
  return [VIP, VIP6].flatMap((vip) => {
    const servers = (familyOf(vip) === 4 ? SERVERS : SERVERS6).map((address) => [address, 50] as const);
    return policies
      .flatMap((policy) => SCHEDULERS.map((scheduler) => ({ ...policy, scheduler })))
      .map((policy, i) => service(vip, 100 + i, servers, policy));
  });
}

function describe({ scheduler, protocol, persistence, track, address }: Service): string {
  return JSON.stringify({ scheduler, protocol, persistence, track, address });
}

/** A director whose changes move slots, as the daemon's do. */
class Moving {
  readonly director = new PacketDirector();
  readonly #tracker = new MoveTracker(undefined, false);
  #now = 0;

  async publish(services: readonly Service[], except: Unresolved = {}): Promise<void> {
    this.#now += HANDSHAKE / 10;
    const image = compile({ services, flows: FLOWS }, worldOf(services, except));
    await this.director.publisher.publish(this.#tracker.attach(image, this.#now));
  }

  [Symbol.dispose](): void {
    this.director.close();
  }
}

const POLICIES: readonly Partial<Service>[] = [{}, { protocol: 'udp' }];
const [ONE, ONE6] = [SERVERS[0], SERVERS6[0]] as const;

test('flows wait for their real server while it does not answer, and new flows go elsewhere at once', async () => {
  const services = servicesFor(...POLICIES);
  using it = new Moving();
  await it.publish(services);
  const callers = services.map((asked) => new Caller(it.director, asked));
  const ports = Array.from({ length: 12 }, (_, i) => 1000 + i * 7);
  const before = callers.map((caller) => ports.map((port) => caller.segments(port, 'S', 'A', 'A')));
  callers.forEach((caller) => caller.segments(5000, 'S', 'A'));
  const go = (i: number): (string | undefined)[] => ports.map((port) => callers[i]!.send(port, 'A'));

  assert.ok(before.filter((each) => each.includes('31')).length > services.length / 2);
  await it.publish(services, silent(ONE, ONE6));
  services.forEach((asked, i) => {
    const present = before[i]!.map((server) => (server === '31' ? undefined : server));
    assert.deepEqual(go(i), present, `${describe(asked)}: others stay where they are`);
    const lost = before[i]!.filter((server) => server === '31').length;
    assert.equal(it.director.verdicts(serviceName(asked))['unresolved'] ?? 0, lost, describe(asked));
    for (let port = 3000; port < 3012; port += 1) {
      assert.match(callers[i]!.send(port)!, /^3[23]$/, describe(asked));
    }
    if (asked.protocol === 'tcp') {
      // A client that uses its port again.
      assert.match(callers[i]!.send(5000)!, /^3[23]$/, describe(asked));
    }
  });

  await it.publish(services);
  services.forEach((asked, i) => {
    assert.deepEqual(go(i), before[i], `${describe(asked)}: back again`);
  });
});

test('while no real server answers, nothing is refused by the host, and every flow goes on afterwards', async () => {
  const services = servicesFor(
    ...POLICIES,
    { persistence: { timeout: 300 } },
    { unresolved: 'move' },
    { unresolved: 'move', protocol: 'udp', noDestination: 'drop' },
    { unresolved: 'move', persistence: { timeout: 300 } },
  );
  using it = new Moving();
  await it.publish(services);
  const callers = services.map((asked) => new Caller(it.director, asked));
  const before = callers.map((caller) => [1000, 1001, 1002].map((port) => caller.segments(port, 'S', 'A', 'A')));
  await it.publish(services, silent(...SERVERS, ...SERVERS6));
  services.forEach((asked, i) => {
    [1000, 1001, 1002, 2000].forEach((port) => {
      assert.equal(callers[i]!.send(port, port === 2000 ? 'S' : 'A'), undefined);
    });
    assert.deepEqual(it.director.verdicts(serviceName(asked)), { unresolved: 4 }, describe(asked));
  });
  await it.publish(services);
  services.forEach((asked, i) => {
    const after = [1000, 1001, 1002].map((port) => callers[i]!.send(port, 'A'));
    assert.deepEqual(after, before[i], describe(asked));
    assert.notEqual(callers[i]!.send(2000), undefined, describe(asked));
  });
});

test('with "track: moved" too, flows of before wait for their real server', async () => {
  const hashing = servicesFor({ track: 'moved' }).filter(({ scheduler }) => isHashing(scheduler));
  using it = new Moving();
  await it.publish(hashing);
  const callers = hashing.map((asked) => new Caller(it.director, asked));
  const ports = Array.from({ length: 12 }, (_, i) => 1000 + i);
  const before = callers.map((caller) => ports.map((port) => caller.segments(port, 'S', 'A')));
  await it.publish(hashing, silent(ONE, ONE6));
  hashing.forEach((asked, i) => {
    const present = before[i]!.map((server) => (server === '31' ? undefined : server));
    assert.deepEqual(
      ports.map((port) => callers[i]!.send(port, 'A')),
      present,
      describe(asked),
    );
    assert.notEqual(callers[i]!.segments(2000, 'S'), '31');
  });
  await it.publish(hashing);
  hashing.forEach((asked, i) => {
    assert.deepEqual(
      ports.map((port) => callers[i]!.send(port, 'A')),
      before[i],
      describe(asked),
    );
  });
});

test('with "unresolved: move" flows go to others at once', async () => {
  const services = servicesFor({ unresolved: 'move' }, { protocol: 'udp', unresolved: 'move' });
  using it = new Moving();
  await it.publish(services);
  const callers = services.map((asked) => new Caller(it.director, asked));
  callers.forEach((caller) => {
    for (let port = 1000; port < 1012; port += 1) {
      caller.segments(port, 'S', 'A', 'A');
    }
  });
  await it.publish(services, silent(ONE, ONE6));
  services.forEach((asked, i) => {
    for (let port = 1000; port < 1012; port += 1) {
      assert.match(callers[i]!.send(port, 'A')!, /^3[23]$/, describe(asked));
    }
    assert.deepEqual(it.director.verdicts(serviceName(asked)), {});
  });
});

test("a persistent client's next flow does not wait for a real server that does not answer", async () => {
  const services = servicesFor({ persistence: { timeout: 300 } });
  using it = new Moving();
  await it.publish(services);
  const callers = services.map((asked) => new Caller(it.director, asked));
  const before = callers.map((caller) => caller.segments(1000, 'S', 'A', 'A'));
  const dead = (name: string): IpAddress[] => [ip(`10.99.0.${name}`), ip(`fd99::${name}`)];
  for (const name of ['31', '32', '33']) {
    await it.publish(services, silent(...dead(name)));
    callers.forEach((caller, i) => {
      if (before[i] === name) {
        assert.equal(caller.send(1000, 'A'), undefined);
        assert.match(caller.send(2000) ?? '-', /^3[123]$/, describe(services[i]!));
      }
    });
  }
  await it.publish(services);
  callers.forEach((caller, i) => {
    assert.equal(caller.send(1000, 'A'), before[i], describe(services[i]!));
  });
});

test('a service without real servers, or with drained ones alone, refuses as before', async () => {
  const drained = SERVERS.map((address) => [address, 0] as const);
  const services = [service(VIP, 80, []), service(VIP, 81, drained), service(VIP, 82, drained, { scheduler: 'rr' })];
  using it = new Moving();
  await it.publish(services, silent(ONE));
  for (const asked of services) {
    assert.equal(new Caller(it.director, asked).send(1000), undefined);
    assert.deepEqual(it.director.verdicts(serviceName(asked)), { 'no-destination': 1 });
  }
});
