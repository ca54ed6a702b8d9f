/** Real servers on their way out: they take no new flows, and are removed when their last one has ended. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import { z } from 'zod';

import type { DrainReport } from '../../control/index.js';
import {
  allServices,
  type AnyService,
  BeelineError,
  editKeyName,
  type IpAddress,
  type Model,
} from '../../model/index.js';

/** One real server of one service. */
export interface Drain {
  readonly service: string;
  readonly address: IpAddress;
  /** When it began, in milliseconds of the wall clock. */
  readonly since: number;
  /** When it is removed whatever flows it has; undefined: never before they have ended. */
  readonly deadline?: number | undefined;
  /** It is out; until the configuration is read anew. */
  removed: boolean;
}

/** Flows that a real server still has; `uncertain`: there may be some that were not heard of for a while. */
export interface Left {
  readonly flows: number;
  readonly uncertain: boolean;
}

/** Where all flows are remembered, those whose handshake was under way when a drain began show within this time. */
const LEAST_MS = 3_000;

export class Drains {
  readonly #path: string;
  readonly #drains = new Map<string, Drain>();
  /** What services become: kept, so that the same drains of the same service make the very same object. */
  readonly #applied = new WeakMap<AnyService, { readonly text: string; readonly result: AnyService }>();

  /** @param path where they are kept, so that a restarted daemon goes on */
  constructor(path: string) {
    this.#path = path;
    for (const drain of readDrains(path)) {
      this.#drains.set(keyOf(drain), drain);
    }
  }

  /**
   * Begins one, or gives one that goes on another deadline.
   *
   * @throws BeelineError `NOT_FOUND` when the model has no such service or real server
   */
  start(model: Model, service: string, address: IpAddress, deadline: number | undefined): void {
    const found = allServices(model).find((each) => editKeyName(each) === service);
    if (found?.destinations.some((each) => each.address === address) !== true) {
      throw new BeelineError('NOT_FOUND', `${service} has no real server ${address}`, { hint: 'See "beeline list".' });
    }
    const key = keyOf({ service, address });
    const before = this.#drains.get(key);
    this.#drains.set(key, {
      service,
      address,
      since: before?.since ?? Date.now(),
      deadline,
      removed: before?.removed ?? false,
    });
    this.#save();
  }

  /** Forgets those of real servers that are not configured any more: one that comes back later is not drained. */
  keepOnly(model: Model): void {
    const known = new Set(
      allServices(model).flatMap((service) =>
        service.destinations.map(({ address }) => keyOf({ service: editKeyName(service), address })),
      ),
    );
    const stale = [...this.#drains.keys()].filter((key) => !known.has(key));
    if (stale.length > 0) {
      stale.forEach((key) => this.#drains.delete(key));
      this.#save();
    }
  }

  /** The configuration was read anew: what it says of weights holds again. Returns those that ended with it. */
  clear(): readonly Drain[] {
    const all = [...this.#drains.values()];
    this.#drains.clear();
    this.#save();
    return all;
  }

  /** All of them, to be restored. */
  get all(): readonly Drain[] {
    return [...this.#drains.values()];
  }

  /** What was asked for was refused: they are what they were. */
  restore(all: readonly Drain[]): void {
    this.#drains.clear();
    all.forEach((drain) => this.#drains.set(keyOf(drain), drain));
    this.#save();
  }

  /** A command said anew what holds for a real server: it is not on its way out any more. */
  end(drain: Pick<Drain, 'service' | 'address'>): void {
    if (this.#drains.delete(keyOf(drain))) {
      this.#save();
    }
  }

  /** A model without those that are out, or without one of them: what there is to write to a file, or to add to. */
  withoutRemoved(model: Model, one?: Pick<Drain, 'service' | 'address'>): Model {
    const removed = new Set([...this.#drains.values()].filter((drain) => drain.removed).map(keyOf));
    if (one !== undefined && removed.has(keyOf(one))) {
      removed.clear();
      removed.add(keyOf(one));
    } else if (one !== undefined) {
      return model;
    }
    if (removed.size === 0) {
      return model;
    }
    const rest = <Each extends AnyService>(service: Each): Each => {
      const isIn = ({ address }: { address: IpAddress }): boolean =>
        !removed.has(keyOf({ service: editKeyName(service), address }));
      const { destinations } = service;
      return destinations.every(isIn) ? service : { ...service, destinations: destinations.filter(isIn) };
    };
    return mapServices(model, rest);
  }

  /** A model without those that are out, and without weight those on their way. */
  apply(model: Model): Model {
    if (this.#drains.size === 0) {
      return model;
    }
    return mapServices(model, (service) => this.#applyTo(service));
  }

  #applyTo<Each extends AnyService>(service: Each): Each {
    const name = editKeyName(service);
    const drains = new Map(
      [...this.#drains.values()].filter((drain) => drain.service === name).map((drain) => [drain.address, drain]),
    );
    const text = [...drains.values()].map(({ address, removed }) => `${address} ${String(removed)}`).join();
    const before = this.#applied.get(service);
    if (drains.size === 0 || before?.text === text) {
      // What is kept of a service is of its kind.
      return before?.text === text ? (before.result as Each) : service;
    }
    const destinations = service.destinations
      .filter(({ address }) => drains.get(address)?.removed !== true)
      .map((destination) => (drains.has(destination.address) ? { ...destination, weight: 0 } : destination));
    const result = { ...service, destinations };
    this.#applied.set(service, { text, result });
    return result;
  }

  /**
   * Removes those whose flows have ended, or whose deadline has passed.
   *
   * @returns what is to be said of each
   */
  finish(left: (service: string, address: IpAddress) => Left, now: number): string[] {
    const said: string[] = [];
    for (const drain of this.#drains.values()) {
      const { service, address, since, deadline, removed } = drain;
      const { flows, uncertain } = left(service, address);
      const late = deadline !== undefined && now >= deadline;
      if (!removed && (late || (flows === 0 && !uncertain && now - since >= LEAST_MS))) {
        drain.removed = true;
        said.push(`${address} of ${service}: drained and removed${flows > 0 ? `, ${flows} flows left` : ''}`);
      }
    }
    if (said.length > 0) {
      this.#save();
    }
    return said;
  }

  /** How one stands; undefined when there is none. */
  report(service: string, address: IpAddress, left: Left): DrainReport | undefined {
    const drain = this.#drains.get(keyOf({ service, address }));
    return drain && { service, address, removed: drain.removed, deadline: drain.deadline, ...left };
  }

  #save(): void {
    if (this.#drains.size === 0) {
      rmSync(this.#path, { force: true });
      return;
    }
    writeFileSync(`${this.#path}.new`, JSON.stringify([...this.#drains.values()]), { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }
}

function mapServices(model: Model, change: <Each extends AnyService>(service: Each) => Each): Model {
  const { services, markServices } = model;
  return {
    ...model,
    services: services.map(change),
    ...(markServices === undefined ? {} : { markServices: markServices.map(change) }),
  };
}

function keyOf({ service, address }: Pick<Drain, 'service' | 'address'>): string {
  return `${service} ${address}`;
}

const drainsSchema = z.array(
  z.object({
    service: z.string(),
    address: z.string(),
    since: z.number(),
    deadline: z.number().optional(),
    removed: z.boolean(),
  }),
);

/** None when what stands there is no list of them: no reason not to start. */
function readDrains(path: string): Drain[] {
  try {
    return drainsSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (
      (error as NodeJS.ErrnoException).code === 'ENOENT' ||
      error instanceof SyntaxError ||
      error instanceof z.ZodError
    ) {
      return [];
    }
    throw error;
  }
}
