/** Overlay of health and maintenance: which real servers take flows, by their checks, agents, operators, quorum and slow start. */

import { z } from 'zod';

import {
  type HealthOf,
  isAvailable,
  isQuorumMet,
  nextStepMs,
  poolOf,
  type ServerView,
  UNITS,
  unitsAt,
  weightUp,
} from '../../health/rules.js';
import {
  allServices,
  type AnyService,
  type Destination,
  type IpAddress,
  type Model,
  serviceName,
} from '../../model/index.js';
import type { DisabledOf } from '../maintenance/maintenance.js';
import { addressSchema } from '../schema-values.js';
import type { Overlay } from './overlay.js';

/** What a service's pool was in the last round. Immutable: a change makes a new object. */
interface Pool {
  readonly quorumMet: boolean;
  /** Those that took no flows. */
  readonly out: ReadonlySet<IpAddress>;
  /** Since when those ramp that came back, in milliseconds since the machine started. */
  readonly ramps: ReadonlyMap<IpAddress, number>;
}

const UNTOUCHED: ServerView = { isUp: true, units: UNITS };

const FRESH: Pool = { quorumMet: true, out: new Set(), ramps: new Map() };

/** Pools for the next daemon: plain data. Times are milliseconds since the machine started. */
export const keptPoolsSchema = z.record(
  z.string(),
  z.strictObject({
    quorumMet: z.boolean(),
    out: z.array(addressSchema),
    ramps: z.array(z.tuple([addressSchema, z.number()])),
  }),
);
export type KeptPools = z.infer<typeof keptPoolsSchema>;

/** A change of what a service does, for the log and for hooks. */
export interface QuorumEvent {
  readonly service: string;
  readonly isMet: boolean;
  /** The sum of the weights of those that take flows. */
  readonly weight: number;
  readonly wanted: number;
}

export interface HealthOverlayOptions {
  readonly healthOf: HealthOf;
  /** The same object while `healthOf` gives the same for all real servers of a service; undefined: none is checked. */
  readonly stateOf: (service: string) => object | undefined;
  readonly disabledOf: DisabledOf;
  /** Milliseconds since the machine started. */
  readonly clock: () => number;
  readonly restore?: KeptPools | undefined;
  readonly onQuorum: (event: QuorumEvent) => void;
  /** A service whose quorum was lost is no more. */
  readonly onRemoved: (service: string) => void;
}

/** What is known of a service, and for what: of thousands of services, a round looks at those alone for which something changed. */
interface Known {
  readonly name: string;
  readonly state: object | undefined;
  readonly maintenances: object;
  /** Whether its real servers are checked, or some are disabled. */
  readonly isConcerned: boolean;
  /** Undefined: not observed yet. */
  pool?: Pool;
  /** Of that pool. */
  result?: AnyService;
}

/** What the result for a service was made of. */
interface Applied {
  readonly quorumMet: boolean;
  readonly views: readonly ServerView[];
  readonly result: AnyService;
}

export class HealthOverlay implements Overlay {
  readonly #options: HealthOverlayOptions;
  #pools: ReadonlyMap<string, Pool>;
  #due: number | undefined;
  readonly #applied = new WeakMap<AnyService, Applied>();
  readonly #known = new WeakMap<AnyService, Known>();
  /** The last result, if the next one is the same: that is how a round without changes is told. */
  #last: { readonly of: Model; readonly result: Model } | undefined;

  constructor(options: HealthOverlayOptions) {
    this.#options = options;
    this.#pools = new Map(
      Object.entries(options.restore ?? {}).map(([name, { quorumMet, out, ramps }]) => [
        name,
        { quorumMet, out: new Set(out), ramps: new Map(ramps) },
      ]),
    );
  }

  /** What the next daemon goes on with. */
  get kept(): KeptPools {
    return Object.fromEntries(
      [...this.#pools].map(([name, { quorumMet, out, ramps }]) => [
        name,
        {
          quorumMet,
          out: [...out],
          ramps: [...ramps].map(([address, since]): [IpAddress, number] => [address, since]),
        },
      ]),
    );
  }

  /** The services whose quorum is lost, by name. */
  get quorumLost(): readonly string[] {
    return [...this.#pools].flatMap(([name, { quorumMet }]) => (quorumMet ? [] : name));
  }

  get due(): number | undefined {
    return this.#due;
  }

  observe(model: Model): void {
    const now = this.#options.clock();
    const pools = new Map<string, Pool>();
    this.#due = undefined;
    for (const service of allServices(model)) {
      const known = this.#knownOf(service);
      const { name } = known;
      const last = this.#pools.get(name);
      if (known.isConcerned) {
        const before = last ?? FRESH;
        if (known.pool !== before || before.ramps.size > 0) {
          known.pool = this.#next(service, name, before, now);
          delete known.result;
        }
        pools.set(name, known.pool);
      } else if (last?.quorumMet === false) {
        const weight = weightUp(service.destinations, () => UNTOUCHED);
        this.#options.onQuorum({ service: name, isMet: true, weight, wanted: 1 });
      }
    }
    const before = this.#pools;
    this.#pools = pools;
    this.#tellRemoved(before, model);
  }

  #tellRemoved(before: ReadonlyMap<string, Pool>, model: Model): void {
    const lost = [...before].filter(([name, { quorumMet }]) => !quorumMet && !this.#pools.has(name));
    if (lost.length > 0) {
      const names = new Set(allServices(model).map(serviceName));
      lost
        .filter(([name]) => !names.has(name))
        .forEach(([name]) => {
          this.#options.onRemoved(name);
        });
    }
  }

  apply(model: Model): Model {
    const applyTo = <Each extends AnyService>(service: Each): Each => {
      const known = this.#knownOf(service);
      if (!known.isConcerned) {
        return service;
      }
      if (known.result !== undefined && known.pool === this.#pools.get(known.name)) {
        return known.result as Each;
      }
      const result = this.#applyTo(service, known.name);
      // What is not observed yet, or ramps, is another one at another time.
      if (known.pool !== undefined && known.pool === this.#pools.get(known.name) && known.pool.ramps.size === 0) {
        known.result = result;
      }
      return result;
    };
    const services = mapSame(model.services, applyTo);
    const markServices = model.markServices && mapSame(model.markServices, applyTo);
    return services === model.services && markServices === model.markServices
      ? model
      : this.#sameModel(model, { ...model, services, ...(markServices && { markServices }) });
  }

  #sameModel(of: Model, next: Model): Model {
    const last = this.#last;
    const isSame =
      last?.of === of &&
      isSameList(last.result.services, next.services) &&
      isSameList(last.result.markServices ?? [], next.markServices ?? []);
    const result = isSame ? last.result : next;
    this.#last = { of, result };
    return result;
  }

  #knownOf(service: AnyService): Known {
    const { stateOf, disabledOf } = this.#options;
    const last = this.#known.get(service);
    const name = last?.name ?? serviceName(service);
    const state = stateOf(name);
    const maintenances = disabledOf.all;
    if (last?.state === state && last?.maintenances === maintenances) {
      return last;
    }
    const known = { name, state, maintenances, isConcerned: this.#concerns(service, name) };
    this.#known.set(service, known);
    return known;
  }

  #concerns({ health, destinations }: AnyService, name: string): boolean {
    const { disabledOf } = this.#options;
    return (
      health !== undefined ||
      (disabledOf.all.length > 0 && destinations.some(({ address }) => disabledOf.find(name, address)))
    );
  }

  #applyTo<Each extends AnyService>(service: Each, name: string): Each {
    const { destinations, scheduler, health = { checks: [] } } = service;
    const pool = this.#pools.get(name) ?? FRESH;
    const spares = (health.fallback ?? []).map((address): Destination => ({ address, weight: 1 }));
    const all = [...destinations, ...spares];
    const views = all.map((each) => this.#viewOf(name, each, pool.ramps.get(each.address), slowStartOf(service, each)));
    const last = this.#applied.get(service);
    if (last?.quorumMet === pool.quorumMet && last.views.every((view, i) => isSameView(view, views[i]!))) {
      return last.result as Each;
    }
    const byAddress = new Map(all.map(({ address }, i) => [address, views[i]!]));
    const next = poolOf(destinations, scheduler, health, ({ address }) => byAddress.get(address)!, pool.quorumMet);
    const result = next === destinations ? service : { ...service, destinations: next };
    this.#applied.set(service, { quorumMet: pool.quorumMet, views, result });
    return result;
  }

  /** Returns a service's pool after what happened since the last round. */
  #next(service: AnyService, name: string, before: Pool, now: number): Pool {
    const { destinations, health } = service;
    const out = new Set<IpAddress>();
    const ramps = new Map<IpAddress, number>();
    const views = new Map<Destination, ServerView>();
    for (const each of destinations) {
      const { address } = each;
      const view = this.#viewOf(name, each, undefined, 0);
      views.set(each, view);
      if (!isAvailable(view)) {
        out.add(address);
        continue;
      }
      const seconds = slowStartOf(service, each);
      const since = before.out.has(address) ? now : before.ramps.get(address);
      const step = since === undefined ? undefined : nextStepMs(now - since, seconds);
      if (since !== undefined && step !== undefined) {
        ramps.set(address, since);
        this.#due = Math.min(this.#due ?? Infinity, since + step);
      }
    }
    const weight = weightUp(destinations, (each) => views.get(each)!);
    const quorumMet = isQuorumMet(weight, health?.quorum, before.quorumMet);
    if (quorumMet !== before.quorumMet) {
      this.#options.onQuorum({ service: name, isMet: quorumMet, weight, wanted: health?.quorum?.weight ?? 1 });
    }
    return { quorumMet, out, ramps };
  }

  /** @param since when its ramp began */
  #viewOf(name: string, { address }: Destination, since: number | undefined, seconds: number): ServerView {
    const { healthOf, disabledOf, clock } = this.#options;
    const health = healthOf(name, address);
    const units = since === undefined ? UNITS : unitsAt(clock() - since, seconds);
    return { isUp: health?.isUp ?? true, advice: health?.advice, disabled: disabledOf.find(name, address), units };
  }
}

function isSameView(a: ServerView, b: ServerView): boolean {
  return a.isUp === b.isUp && a.units === b.units && a.disabled === b.disabled && a.advice === b.advice;
}

function slowStartOf({ health }: AnyService, destination: Destination): number {
  return destination.health?.slowStart ?? health?.slowStart ?? 0;
}

function mapSame<Each>(list: readonly Each[], change: (each: Each) => Each): readonly Each[] {
  const next = list.map(change);
  return isSameList(next, list) ? list : next;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}
