/** What ipvsadm counts: since a service or a real server was added or set to zero, whatever maps counted it. Pure. */

import type { Traffic } from '../../control/index.js';
import type { Counters } from '../../dataplane/index.js';
import { add, estimate, figures, growth, NO_TRAFFIC } from './rates.js';

/** Of a service, or of one of its real servers. */
export interface Figures {
  readonly counters: Traffic;
  readonly rates: Traffic;
}

/** What is to be added to the data path's counters, by service: all that must outlive the daemon. */
export type Offsets = Readonly<
  Record<string, { readonly own: Traffic; readonly destinations: Readonly<Record<string, Traffic>> }>
>;

interface Tally {
  total: Traffic;
  /** Since the last estimate. */
  recent: Traffic;
  rates: Traffic;
}

interface DestinationTally extends Tally {
  /** What the data path had counted when it was looked at last. */
  last: Traffic;
}

interface ServiceTally extends Tally {
  readonly destinations: Map<string, DestinationTally>;
}

type DestinationCounters = Counters['services'][number]['destinations'][number];

const NO_FIGURES: Figures = { counters: NO_TRAFFIC, rates: NO_TRAFFIC };

/**
 * Follows the data path's counters, which go on for as long as their maps do. A service keeps what its real servers
 * counted when they are gone, as in IPVS.
 */
export class Tallies {
  readonly #services = new Map<string, ServiceTally>();
  /** Kept from an earlier process, until the service is seen. */
  #offsets: Offsets;

  constructor(offsets: Offsets = {}) {
    this.#offsets = offsets;
  }

  /** Takes over what was counted since the last time. Services and real servers that are not there are forgotten. */
  observe({ services }: Pick<Counters, 'services'>): void {
    const seen = new Map(services.map(({ name, destinations }) => [name, new Map(destinations.map(trafficOf))]));
    for (const [name, destinations] of seen) {
      const known = this.#services.get(name);
      if (known === undefined) {
        this.#services.set(name, begin(destinations, this.#offsets[name]));
      } else {
        follow(known, destinations);
      }
    }
    forgetAllBut(this.#services, seen);
    this.#offsets = {};
  }

  /** Another estimate of the rates. @param seconds since the last one */
  estimate(seconds: number): void {
    for (const service of this.#services.values()) {
      for (const tally of [service, ...service.destinations.values()]) {
        tally.rates = estimate(tally.rates, tally.recent, seconds);
        tally.recent = NO_TRAFFIC;
      }
    }
  }

  /** Counts from zero on: all services, or one with its real servers, as "ipvsadm -Z" does, or one real server. */
  zero(name?: string, address?: string): void {
    for (const [each, service] of this.#services) {
      if (name === undefined || each === name) {
        const destinations = [...service.destinations].filter(([key]) => address === undefined || key === address);
        const tallies: Tally[] = destinations.map(([, tally]) => tally);
        for (const tally of address === undefined ? [service, ...tallies] : tallies) {
          Object.assign(tally, blank());
        }
      }
    }
  }

  /** Whether anything is counted of a real server. */
  has(name: string, address: string): boolean {
    return this.#services.get(name)?.destinations.has(address) === true;
  }

  /** Of a service, or of one of its real servers. */
  figuresOf(name: string, address?: string): Figures {
    const service = this.#services.get(name);
    const tally = address === undefined ? service : service?.destinations.get(address);
    return tally === undefined ? NO_FIGURES : { counters: tally.total, rates: tally.rates };
  }

  /** Those that are not zero. */
  get offsets(): Offsets {
    const all: [string, Offsets[string]][] = [...this.#services].map(([name, { total, destinations }]) => {
      const counted = [...destinations.values()].map(({ last }) => last).reduce(add, NO_TRAFFIC);
      const own = minus(total, counted);
      const differing = [...destinations].map(([address, tally]) => [address, minus(tally.total, tally.last)] as const);
      return [name, { own, destinations: Object.fromEntries(differing.filter(([, offset]) => !isNone(offset))) }];
    });
    return Object.fromEntries(
      all.filter(([, { own, destinations }]) => !isNone(own) || Object.keys(destinations).length > 0),
    );
  }
}

/** A service that was not there before, or not in this process. */
function begin(destinations: ReadonlyMap<string, Traffic>, kept: Offsets[string] | undefined): ServiceTally {
  const counted = [...destinations.values()].reduce(add, NO_TRAFFIC);
  return {
    ...blank(sum(kept?.own, counted)),
    destinations: new Map(
      [...destinations].map(([address, last]) => [address, { ...blank(sum(kept?.destinations[address], last)), last }]),
    ),
  };
}

function follow(service: ServiceTally, destinations: ReadonlyMap<string, Traffic>): void {
  for (const [address, now] of destinations) {
    const tally = service.destinations.get(address) ?? { ...blank(), last: NO_TRAFFIC };
    service.destinations.set(address, tally);
    const counted = growth(tally.last, now);
    for (const each of [tally, service]) {
      each.total = add(each.total, counted);
      each.recent = add(each.recent, counted);
    }
    tally.last = now;
  }
  forgetAllBut(service.destinations, destinations);
}

function trafficOf({ address, flows, packets, bytes }: DestinationCounters): [string, Traffic] {
  return [address, { connections: flows, packets, bytes }];
}

function blank(total = NO_TRAFFIC): Tally {
  return { total, recent: NO_TRAFFIC, rates: NO_TRAFFIC };
}

/** What was kept and what was counted. Where that comes to less than nothing, the counters began anew since. */
function sum(kept: Traffic | undefined, counted: Traffic): Traffic {
  const total = add(kept ?? NO_TRAFFIC, counted);
  return total.connections < 0 || total.packets < 0 || total.bytes < 0 ? counted : total;
}

function minus(a: Traffic, b: Traffic): Traffic {
  return figures((name) => a[name] - b[name]);
}

function isNone({ connections, packets, bytes }: Traffic): boolean {
  return connections === 0 && packets === 0 && bytes === 0;
}

function forgetAllBut(map: Map<string, unknown>, wanted: ReadonlyMap<string, unknown>): void {
  for (const key of map.keys()) {
    if (!wanted.has(key)) {
      map.delete(key);
    }
  }
}
