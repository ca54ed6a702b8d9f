/** The director's surroundings: its interfaces, and where its real servers are. */

import { setTimeout as sleep } from 'node:timers/promises';

import {
  allServices,
  type AnyService,
  BeelineError,
  type IpAddress,
  isMac,
  isSelf,
  type Interface,
  type Model,
  type Resolution,
  type World,
  mac,
} from '../model/index.js';
import { type Network, readIcmpLimits, type Resolver } from '../net/index.js';

/** How long real servers have to answer ARP once they were asked: more than until the first repetition, after a second. */
const SETTLE_MS = 1_250;
const SETTLE_STEP_MS = 20;

type NetworkView = Pick<Network, 'link' | 'interface' | 'ownAddresses'>;
type ResolverView = Pick<Resolver, 'track' | 'resolutions' | 'latest' | 'version' | 'isPending'>;

export class Surroundings {
  readonly #network: NetworkView;
  readonly #resolver: ResolverView;
  /** The last model whose real servers were looked for, and their addresses. */
  #asked: { readonly model: Model; readonly addresses: ReadonlySet<IpAddress> } | undefined;
  /** When the last of them was asked for, by performance.now(). */
  #askedAt = -Infinity;
  /** World.state, and what it stands for. */
  #state: { readonly of: string } = { of: '' };

  readonly #fromHost: () => Interface | undefined;

  /** @param fromHost returns the interface by which the host's own packets come, if there is one */
  constructor(network: NetworkView, resolver: ResolverView, fromHost: () => Interface | undefined = () => undefined) {
    this.#network = network;
    this.#resolver = resolver;
    this.#fromHost = fromHost;
  }

  /** The interfaces of a model as they are at this moment, with the devices above them. */
  interfacesOf(model: Model): Interface[] {
    const own = this.#fromHost();
    return [
      ...model.interfaces.flatMap((name) => this.#network.interface(name) ?? []),
      ...(own === undefined ? [] : [own]),
    ];
  }

  /** @throws BeelineError `INTERFACE_MISSING` if an interface is missing that is not in `except` */
  requireInterfaces({ interfaces }: Model, except: readonly string[] = []): void {
    const missing = interfaces.find((name) => !except.includes(name) && this.#network.link(name) === undefined);
    if (missing !== undefined) {
      throw new BeelineError('INTERFACE_MISSING', `there is no network interface ${missing}`, {
        hint: 'See "ip link".',
      });
    }
  }

  /** Has a model's real servers resolved, and returns what is known at this moment. */
  async survey(model: Model): Promise<World> {
    const interfaces = this.interfacesOf(model);
    const before = this.#asked?.addresses;
    const addresses = this.#addressesOf(model);
    await this.#resolver.track(addresses, interfaces);
    this.#askedAt = addresses === before ? this.#askedAt : performance.now();
    const resolutions = this.#resolver.resolutions();
    const of = JSON.stringify([this.#resolver.version, interfaces]);
    this.#state = this.#state.of === of ? this.#state : { of };
    return {
      interfaces,
      resolutions,
      state: this.#state,
      own: this.#network.ownAddresses(),
      icmpLimits: readIcmpLimits(),
    };
  }

  /** Returns a text that differs if the surroundings do. */
  fingerprint({ own, icmpLimits }: World): string {
    return JSON.stringify([this.#state.of, own, icmpLimits]);
  }

  /** Returns the surroundings of another model, in which real servers that are new answer. */
  expectedFor(model: Model): World {
    const interfaces = this.interfacesOf(model);
    const [resolutions, own] = [this.#resolver.latest, this.#network.ownAddresses()];
    return withNewcomers({ interfaces, resolutions, own, icmpLimits: readIcmpLimits() }, model);
  }

  /** The addresses that are looked for: the same set as long as they are the same. */
  #addressesOf(model: Model): ReadonlySet<IpAddress> {
    const before = this.#asked;
    if (before?.model !== model) {
      const addresses =
        before !== undefined && haveSameAddresses(before.model, model) ? before.addresses : addressesIn(model);
      this.#asked = { model, addresses };
    }
    return this.#asked!.addresses;
  }

  /** The addresses that were looked for until now. */
  get known(): ReadonlySet<IpAddress> {
    return this.#asked?.addresses ?? new Set();
  }

  /** Gives real servers time to answer since the last survey, so that the next publication has all of them. */
  async settle(matters: (address: IpAddress) => boolean = () => true): Promise<void> {
    const deadline = this.#askedAt + SETTLE_MS;
    const awaited = [...this.known].filter(matters);
    while (awaited.some((address) => this.#resolver.isPending(address))) {
      // Once in any case: answers may have come while nothing was read.
      await sleep(SETTLE_STEP_MS);
      if (performance.now() >= deadline) {
        return;
      }
    }
  }

  /** Returns a problem for each interface that is missing. */
  missing({ interfaces }: Model): string[] {
    return interfaces
      .filter((name) => this.#network.link(name) === undefined)
      .map((name) => `interface ${name} is missing`);
  }
}

/** Returns the addresses whose MACs a model needs. */
function addressesIn(model: Model): Set<IpAddress> {
  const addresses = new Set<IpAddress>();
  for (const { destinations, health } of allServices(model)) {
    health?.fallback?.filter((each) => !isSelf(each)).forEach((each) => addresses.add(each));
    for (const { address, mac } of destinations) {
      if (mac === undefined && !isSelf(address)) {
        addresses.add(address);
      }
    }
  }
  model.directors?.filter((each) => !isMac(each)).forEach((each) => addresses.add(each));
  return addresses;
}

/** Whether two models need the same MACs, in the same order: most edits leave real servers where they are. */
function haveSameAddresses(a: Model, b: Model): boolean {
  const [services, others] = [allServices(a), allServices(b)];
  return (
    a.directors?.join() === b.directors?.join() &&
    services.length === others.length &&
    services.every((service, i) => needsSameAddresses(service, others[i]!))
  );
}

function needsSameAddresses(a: AnyService, b: AnyService): boolean {
  return (
    a === b ||
    (a.health?.fallback?.join() === b.health?.fallback?.join() &&
      a.destinations.length === b.destinations.length &&
      a.destinations.every(({ address, mac: own }, i) => {
        const other = b.destinations[i]!;
        return address === other.address && own === other.mac;
      }))
  );
}

/** Adds the real servers of a model that were not looked for yet to the surroundings, as if they answered. */
export function withNewcomers(world: World, model: Model): World {
  const { interfaces, resolutions } = world;
  const [first] = interfaces;
  if (first === undefined) {
    return world;
  }
  const found: Resolution = { state: 'resolved', mac: mac('02:00:00:00:00:00'), ifindex: first.ifindex };
  const newcomers = allServices(model)
    .flatMap(({ destinations }) => destinations)
    .filter(({ address }) => !resolutions.has(address))
    .map(({ address }): [IpAddress, Resolution] => [address, found]);
  return { ...world, state: undefined, resolutions: new Map([...resolutions, ...newcomers]) };
}
