/** The statistics of ipvsadm: the data path's counters since a service or real server was added or set to zero. */

import { z } from 'zod';

import type { Statistics, TableEntry } from '../../control/index.js';
import type { Counters } from '../../dataplane/index.js';
import type { Format } from '../../store/index.js';
import { add, estimate, growth, NO_STATISTICS, subtract } from './rates.js';

/**
 * The counters when statistics were zero, by service: statistics = counters − baseline. Only those that are not zero.
 * The data path's counters are never set back, since others read them too.
 */
export type Baselines = Readonly<
  Record<
    string,
    {
      /** The service's own, against the sum of its real servers' counters. Negative where real servers are gone. */
      readonly own: Statistics;
      readonly destinations: Readonly<Record<string, Statistics>>;
    }
  >
>;

const statistics = z.strictObject({ connections: z.number(), packets: z.number(), bytes: z.number() });
const baselines = z.record(
  z.string(),
  z.strictObject({ own: statistics, destinations: z.record(z.string(), statistics) }),
);

export const baselinesFormat: Format<Baselines> = {
  title: 'beeline-baselines',
  version: 1,
  noun: 'baselines of statistics',
  schema: baselines,
  // Older programs wrote what to add to the counters, not what to subtract.
  fromPlain: (json) => {
    const offsets = baselines.safeParse(json).data;
    return (
      offsets &&
      mapValues(offsets, ({ own, destinations }) => ({
        own: subtract(NO_STATISTICS, own),
        destinations: mapValues(destinations, (each) => subtract(NO_STATISTICS, each)),
      }))
    );
  },
};

/** The statistics of a service, or of one of its real servers. */
interface Running {
  total: Statistics;
  /** Since the last estimate of the rates. */
  recent: Statistics;
  rates: Statistics;
}

interface RunningRealServer extends Running {
  /** The data path's counters when they were last read. */
  counters: Statistics;
}

interface RunningService extends Running {
  /** The data path's counters when they were last read: the same object again means that nothing was counted. */
  read: Counters['services'][number];
  readonly destinations: Map<string, RunningRealServer>;
}

type DestinationCounters = Counters['services'][number]['destinations'][number];

/**
 * Follows the data path's counters, which last as long as their maps. A service keeps the statistics of real servers
 * that are gone, as in IPVS; and a real server that is back soon, or whose flows live, has its own again.
 */
export class StatisticsCollector {
  readonly #services = new Map<string, RunningService>();
  /** Of the last call: the same object again means that nothing was counted. */
  #observed: Counters['services'] | undefined;
  /** From an earlier process, until its services are seen. */
  #baselines: Baselines;

  constructor(kept: Baselines = {}) {
    this.#baselines = kept;
  }

  /** Adds what was counted since the last call. Services and real servers that are not there any more are forgotten. */
  observe({ services }: Pick<Counters, 'services'>): void {
    if (services === this.#observed) {
      return;
    }
    this.#observed = services;
    for (const read of services) {
      const { name } = read;
      const known = this.#services.get(name);
      if (known === undefined) {
        this.#services.set(name, begin(read, this.#baselines[name]));
      } else if (known.read !== read) {
        follow(known, read);
      }
    }
    forgetAllBut(this.#services, new Set(services.map(({ name }) => name)));
    this.#baselines = {};
  }

  /** Estimates the rates. @param seconds since the last estimate */
  estimate(seconds: number): void {
    for (const service of this.#services.values()) {
      if (isIdle(service)) {
        // Then all its real servers are: what they count, it counts.
        continue;
      }
      advance(service, seconds);
      service.destinations.forEach((each) => {
        advance(each, seconds);
      });
    }
  }

  /**
   * Sets statistics and rates to zero.
   *
   * @param name of a service, with all its real servers, as `ipvsadm -Z` does; default: all services
   * @param address of a real server, alone
   */
  zero(name?: string, address?: string): void {
    if (name === undefined) {
      for (const each of this.#services.keys()) {
        this.zero(each);
      }
      return;
    }
    const service = this.#services.get(name);
    if (service === undefined) {
      return;
    }
    const realServer = address === undefined ? undefined : service.destinations.get(address);
    const all: Running[] = address === undefined ? [service, ...service.destinations.values()] : [];
    for (const running of realServer === undefined ? all : [realServer]) {
      Object.assign(running, begun());
    }
  }

  /** Whether a service, or one of its real servers, has statistics. */
  has(name: string, address?: string): boolean {
    const service = this.#services.get(name);
    return service !== undefined && (address === undefined || service.destinations.has(address));
  }

  /** Returns the statistics of a service, or of one of its real servers. */
  statisticsOf(name: string, address?: string): Pick<TableEntry, 'counters' | 'rates'> {
    const service = this.#services.get(name);
    const running = address === undefined ? service : service?.destinations.get(address);
    const { total, rates } = running ?? begun();
    return { counters: total, rates };
  }

  get baselines(): Baselines {
    const all: [string, Baselines[string]][] = [...this.#services].map(([name, { total, destinations }]) => {
      const counted = [...destinations.values()].map(({ counters }) => counters).reduce(add, NO_STATISTICS);
      const each = [...destinations].map(([address, { counters, total: own }]): [string, Statistics] => [
        address,
        subtract(counters, own),
      ]);
      const own = subtract(counted, total);
      return [name, { own, destinations: Object.fromEntries(each.filter(([, baseline]) => !isZero(baseline))) }];
    });
    return Object.fromEntries(
      all.filter(([, { own, destinations }]) => !isZero(own) || Object.keys(destinations).length > 0),
    );
  }
}

/** Whether nothing was counted since it began. */
function isIdle({ recent, rates }: Running): boolean {
  return recent === NO_STATISTICS && rates === NO_STATISTICS;
}

function advance(each: Running, seconds: number): void {
  if (!isIdle(each)) {
    each.rates = estimate(each.rates, each.recent, seconds);
    each.recent = NO_STATISTICS;
  }
}

/** Begins with a service that was not there before, or not in this process. */
function begin(read: Counters['services'][number], kept: Baselines[string] | undefined): RunningService {
  const destinations = countersIn(read);
  const counted = [...destinations.values()].reduce(add, NO_STATISTICS);
  return {
    ...begun(since(kept?.own, counted)),
    read,
    destinations: new Map(
      [...destinations].map(([address, counters]) => [
        address,
        { ...begun(since(kept?.destinations[address], counters)), counters },
      ]),
    ),
  };
}

function follow(service: RunningService, read: Counters['services'][number]): void {
  const destinations = countersIn(read);
  service.read = read;
  for (const [address, now] of destinations) {
    const realServer = service.destinations.get(address) ?? { ...begun(), counters: NO_STATISTICS };
    service.destinations.set(address, realServer);
    const counted = growth(realServer.counters, now);
    if (!isZero(counted)) {
      for (const each of [realServer, service]) {
        each.total = add(each.total, counted);
        each.recent = add(each.recent, counted);
      }
    }
    realServer.counters = now;
  }
  forgetAllBut(service.destinations, destinations);
}

function countersIn({ destinations, resting = [] }: Counters['services'][number]): Map<string, Statistics> {
  return new Map([...destinations, ...resting].map(countersOf));
}

function countersOf({ address, flows, packets, bytes }: DestinationCounters): [string, Statistics] {
  return [address, { connections: flows, packets, bytes }];
}

function begun(total = NO_STATISTICS): Running {
  return { total, recent: NO_STATISTICS, rates: NO_STATISTICS };
}

/** Returns counters − baseline. If that is negative, the counters began from zero since, and the baseline is void. */
function since(baseline: Statistics | undefined, counters: Statistics): Statistics {
  const total = subtract(counters, baseline ?? NO_STATISTICS);
  return total.connections < 0 || total.packets < 0 || total.bytes < 0 ? counters : total;
}

function isZero({ connections, packets, bytes }: Statistics): boolean {
  return connections === 0 && packets === 0 && bytes === 0;
}

function mapValues<Before, After>(
  record: Readonly<Record<string, Before>>,
  change: (value: Before) => After,
): Record<string, After> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function forgetAllBut(map: Map<string, unknown>, wanted: { has: (key: string) => boolean }): void {
  for (const key of map.keys()) {
    if (!wanted.has(key)) {
      map.delete(key);
    }
  }
}
