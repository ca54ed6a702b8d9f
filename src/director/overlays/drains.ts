/** Drains: a real server gets no new flows, and is removed when its last flow has ended. */

import { z } from 'zod';

import type { DrainReport } from '../../control/index.js';
import {
  allServices,
  type AnyService,
  BeelineError,
  serviceName,
  type IpAddress,
  type Model,
} from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import type { Format, Store } from '../../store/index.js';
import { addressSchema } from '../schemas.js';
import type { FlowsLeft, FlowsLeftOf, Overlay, RealServerKey } from './overlay.js';

export interface Drain extends RealServerKey {
  /** When it began, in milliseconds since the machine started: nobody sets this clock. */
  readonly since: number;
  /** When the real server is removed even if it has flows; undefined: never. */
  readonly deadline?: number | undefined;
  /** The real server was removed. It comes back when a configuration is loaded. */
  readonly removed: boolean;
}

export const drainsFormat: Format<readonly Drain[]> = {
  title: 'beeline-drains',
  version: 2,
  noun: 'drains',
  schema: z.array(
    z.strictObject({
      service: z.string(),
      address: addressSchema,
      since: z.number(),
      deadline: z.number().exactOptional(),
      removed: z.boolean(),
    }),
  ),
  times: {
    shift: (drains, ms) =>
      drains.map((drain) => ({
        ...drain,
        since: drain.since + ms,
        ...(drain.deadline !== undefined && { deadline: drain.deadline + ms }),
      })),
    wallVersion: 1,
  },
  fromPlain: (json) => json,
};

/**
 * In a service that remembers all flows, one whose handshake was under way when the drain began is counted within this
 * time.
 */
const LEAST_MS = 3_000;

export class Drains implements Overlay {
  readonly #store: Pick<Store<readonly Drain[]>, 'load' | 'save' | 'clear'>;
  #drains = new Map<string, Drain>();
  #isKept = true;
  /** Results of `apply`, so that the same drains of the same service give the same object. */
  readonly #applied = new WeakMap<AnyService, { readonly text: string; readonly result: AnyService }>();

  constructor(store: Pick<Store<readonly Drain[]>, 'load' | 'save' | 'clear'>) {
    this.#store = store;
    this.#drains = byKey(store.load() ?? []);
  }

  /**
   * Begins a drain, or changes the deadline of one that runs.
   *
   * @param deadlineMs how long from now the real server may have flows; undefined: as long as they last
   * @throws BeelineError `NOT_FOUND` if the model has no such service or real server
   */
  start(model: Model, { service, address }: RealServerKey, deadlineMs: number | undefined): void {
    const found = allServices(model).find((each) => serviceName(each) === service);
    if (found?.destinations.some((each) => each.address === address) !== true) {
      throw new BeelineError('NOT_FOUND', `${service} has no real server ${address}`, { hint: 'See "beeline list".' });
    }
    const now = bootTimeMs();
    const deadline = deadlineMs === undefined ? undefined : now + deadlineMs;
    const { since = now, removed = false } = this.#drains.get(keyOf({ service, address })) ?? {};
    this.#set({ service, address, since, deadline, removed });
  }

  /** Returns how far a drain is; undefined: there is none. */
  report(realServer: RealServerKey, left: FlowsLeft): DrainReport | undefined {
    const drain = this.#drains.get(keyOf(realServer));
    if (drain === undefined) {
      return undefined;
    }
    const { service, address, removed } = drain;
    // People and programs read it by the wall clock.
    const deadline = drain.deadline === undefined ? undefined : Date.now() + drain.deadline - bootTimeMs();
    return { service, realServer: address, removed, deadline, ...left };
  }

  apply(model: Model): Model {
    return this.#drains.size === 0 ? model : mapServices(model, (service) => this.#applyTo(service));
  }

  #applyTo<Each extends AnyService>(service: Each): Each {
    const name = serviceName(service);
    const drains = new Map(
      [...this.#drains.values()].filter((drain) => drain.service === name).map((drain) => [drain.address, drain]),
    );
    const text = [...drains.values()].map(({ address, removed }) => `${address} ${String(removed)}`).join();
    const before = this.#applied.get(service);
    if (drains.size === 0 || before?.text === text) {
      // The result kept for a service is of the same kind.
      return before?.text === text ? (before.result as Each) : service;
    }
    const destinations = service.destinations
      .filter(({ address }) => drains.get(address)?.removed !== true)
      .map((destination) => (drains.has(destination.address) ? { ...destination, weight: 0 } : destination));
    const result = { ...service, destinations };
    this.#applied.set(service, { text, result });
    return result;
  }

  withoutRemoved(model: Model, only?: RealServerKey): Model {
    const removed = new Set(
      [...this.#drains.values()]
        .filter((drain) => drain.removed && (only === undefined || keyOf(drain) === keyOf(only)))
        .map(keyOf),
    );
    if (removed.size === 0) {
      return model;
    }
    return mapServices(model, (service) => {
      const isIn = ({ address }: { readonly address: IpAddress }): boolean =>
        !removed.has(keyOf({ service: serviceName(service), address }));
      const { destinations } = service;
      return destinations.every(isIn) ? service : { ...service, destinations: destinations.filter(isIn) };
    });
  }

  /** Forgets the drains of real servers that are gone: one that comes back later is not drained. */
  keepOnly(model: Model): void {
    if (this.#drains.size === 0) {
      return;
    }
    const known = new Set(
      allServices(model).flatMap((service) =>
        service.destinations.map(({ address }) => keyOf({ service: serviceName(service), address })),
      ),
    );
    const stale = [...this.#drains.keys()].filter((key) => !known.has(key));
    stale.forEach((key) => this.#drains.delete(key));
    this.#isKept &&= stale.length === 0;
  }

  end(realServer: RealServerKey): void {
    if (this.#drains.delete(keyOf(realServer))) {
      this.#isKept = false;
    }
  }

  clear(): readonly string[] {
    const ended = [...this.#drains.values()].map(({ service, address }) => `drain of ${address} of ${service}`);
    this.#drains.clear();
    this.#isKept &&= ended.length === 0;
    return ended;
  }

  checkpoint(): () => void {
    const drains = [...this.#drains.values()];
    return () => {
      this.#drains = byKey(drains);
      this.#isKept = false;
    };
  }

  /** Removes real servers whose flows have ended, or whose deadline has passed. */
  advance(flowsLeft: FlowsLeftOf, now: number): readonly string[] {
    return [...this.#drains.values()].flatMap((drain) => {
      const { service, address, since, deadline, removed } = drain;
      const { flows, uncertain } = flowsLeft(service, address);
      const isLate = deadline !== undefined && now >= deadline;
      const isOver = flows === 0 && !uncertain && now - since >= LEAST_MS;
      if (removed || !(isLate || isOver)) {
        return [];
      }
      this.#set({ ...drain, removed: true });
      return [`${address} of ${service}: drained and removed${flows > 0 ? `, ${flows} flows left` : ''}`];
    });
  }

  async keep(): Promise<void> {
    if (!this.#isKept) {
      this.#isKept = true;
      await (this.#drains.size === 0 ? this.#store.clear() : this.#store.save([...this.#drains.values()]));
    }
  }

  #set(drain: Drain): void {
    this.#drains.set(keyOf(drain), drain);
    this.#isKept = false;
  }
}

function byKey(drains: readonly Drain[]): Map<string, Drain> {
  return new Map(drains.map((drain) => [keyOf(drain), drain]));
}

function keyOf({ service, address }: RealServerKey): string {
  return `${service} ${address}`;
}

function mapServices(model: Model, change: <Each extends AnyService>(service: Each) => Each): Model {
  const { services, markServices } = model;
  return {
    ...model,
    services: services.map(change),
    ...(markServices === undefined ? {} : { markServices: markServices.map(change) }),
  };
}
