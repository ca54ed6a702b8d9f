/**
 * The timeouts that services had before. As in IPVS, a flow has the timeout that held at its last packet, and a change
 * reaches it with its next one; an entry has no room for a timeout, but it has the time of that packet.
 */

import { z } from 'zod';

import type { CompiledService, Image } from '../../image/index.js';
import { flowField, type FlowState } from '../../layout/index.js';
import type { Format, Store } from '../../store/index.js';
import { type Lifetimes, lifetimesOf, longestOf, secondsIn, unitsIn } from './timeouts.js';

/** A time in which a service's flows had other timeouts. */
export interface Period extends Lifetimes {
  /** The program's time of the first packets that do not belong to it. */
  readonly until: number;
}

/** The part of an image that timeouts follow from. */
interface Timed extends Pick<Image, 'timeouts'> {
  readonly services: readonly Pick<CompiledService, 'name' | 'service'>[];
}

/** The timeouts of one service. */
interface ServiceTimes {
  /** The oldest first. */
  readonly past: readonly Period[];
  readonly present: Lifetimes;
  /** Since when there is no such service: its flows may outlive it. */
  readonly goneSince?: number | undefined;
}

/** By service name. */
export type KeptTimeouts = Readonly<Record<string, ServiceTimes>>;

const TIME_MASK = flowField['time-mask'];

/** The most periods that a service has. If its timeouts change all the time, the oldest are forgotten. */
const MAX_PERIODS = 100;

export class PastTimeouts {
  readonly #store: Store<KeptTimeouts> | undefined;
  #services = new Map<string, ServiceTimes>();
  #changed = false;

  /**
   * @param store keeps them for the next process; undefined: nothing does
   * @param goesOn whether the flows that the kept timeouts are about still exist
   */
  constructor(store?: Store<KeptTimeouts>, goesOn = false) {
    this.#store = store;
    if (goesOn) {
      this.#services = new Map(Object.entries(store?.load() ?? {}));
    } else {
      void store?.clear();
    }
  }

  /**
   * Takes the timeouts of an image that packets follow since now. Returns whether those of some service changed: then
   * packets of this unit of time count as earlier than the change.
   *
   * @param now the program's time
   */
  follow({ services, timeouts }: Timed, now: number): boolean {
    const before = this.#services;
    const names = new Set(services.map(({ name }) => name));
    let changed = false;
    this.#services = new Map();
    for (const [name, times] of before) {
      const goneSince = times.goneSince ?? now;
      if (!names.has(name) && unitsBetween(goneSince, now) <= longestUnits(times)) {
        this.#services.set(name, times.goneSince === undefined ? { ...times, goneSince } : times);
      }
    }
    for (const { name, service } of services) {
      const present = lifetimesOf(service, timeouts);
      const times = before.get(name);
      // A service that is as it was keeps its object: there may be thousands.
      const isAsBefore =
        times !== undefined &&
        times.goneSince === undefined &&
        times.past.every((period) => isAlive(period, now)) &&
        times.present.template === present.template &&
        isSame(times.present, present);
      if (isAsBefore) {
        this.#services.set(name, times);
        continue;
      }
      const past = times?.past.filter((period) => isAlive(period, now)) ?? [];
      if (times !== undefined && !isSame(times.present, present)) {
        past.push({ ...times.present, until: (now + 1) & TIME_MASK });
        changed = true;
      }
      this.#services.set(name, { past: past.slice(-MAX_PERIODS), present });
    }
    this.#changed ||=
      before.size !== this.#services.size || [...this.#services].some(([name, times]) => before.get(name) !== times);
    return changed;
  }

  /** Writes the timeouts if they changed. Never rejects: see Store. */
  async keep(): Promise<void> {
    if (this.#changed) {
      this.#changed = false;
      await this.#store?.save(Object.fromEntries(this.#services));
    }
  }

  /** Forgets everything: no flow is left. */
  async remove(): Promise<void> {
    await this.#store?.clear();
  }

  /** Returns the periods of a service that flows may still be from, the oldest first. */
  periods(name: string, now: number): readonly Period[] {
    const times = this.#services.get(name);
    if (times === undefined) {
      return [];
    }
    const { past, present, goneSince } = times;
    if (past.length === 0 && goneSince === undefined) {
      return past;
    }
    // Flows that outlive their service keep its last timeouts: no packet renews them.
    const last = goneSince === undefined ? [] : [{ ...present, until: (goneSince + 1) & TIME_MASK }];
    // Templates of a service that is not persistent any more are over at once.
    return [...past, ...last]
      .filter((period) => isAlive(period, now))
      .map((period) => (present.template === undefined ? { ...period, template: undefined } : period));
  }

  /**
   * Returns the timeout of a flow in seconds.
   *
   * @param time the program's time of its last packet
   */
  timeout(name: string, present: Lifetimes, state: FlowState, time: number, now: number): number {
    return secondsIn(this.periods(name, now).find(({ until }) => isBefore(time, until)) ?? present, state);
  }

  /** Returns the longest timeout that a flow of any service can have, by state. */
  longest(image: Timed): Uint32Array<ArrayBuffer> {
    // A set: most services have the same.
    const all = new Set<Lifetimes>();
    for (const { past, present } of this.#services.values()) {
      past.forEach((each) => all.add(each));
      all.add(present);
    }
    for (const { service } of image.services) {
      all.add(lifetimesOf(service, image.timeouts));
    }
    return longestOf(all);
  }
}

/** Returns the units from a time to another, 0 if that is earlier. The program's time wraps. */
function unitsBetween(time: number, later: number): number {
  const units = (later - time) & TIME_MASK;
  return units > TIME_MASK >>> 1 ? 0 : units;
}

function isBefore(time: number, until: number): boolean {
  return unitsBetween(time, until) > 0;
}

function longestUnits({ past, present }: ServiceTimes): number {
  return Math.max(...[...past, present].flatMap((each) => [...unitsIn(each)]));
}

/** Whether a flow can still have the timeout of a period. */
function isAlive(period: Period, now: number): boolean {
  return unitsBetween(period.until, now) <= Math.max(...unitsIn(period));
}

function isSame(a: Lifetimes, b: Lifetimes): boolean {
  if (a === b) {
    return true;
  }
  const [ofA, ofB] = [unitsIn(a), unitsIn(b)];
  return ofA.every((units, state) => units === ofB[state]);
}

const secondsSchema = z.int().min(1);

const lifetimesShape = {
  timeouts: z.strictObject({
    synReceived: secondsSchema,
    established: secondsSchema,
    finWait: secondsSchema,
    timeWait: secondsSchema,
    close: secondsSchema,
    udp: secondsSchema,
  }),
  template: secondsSchema.optional(),
};

/** Without them, a change of timeouts just before a restart applies to all flows at once: no reason not to start. */
export const timeoutsFormat: Format<KeptTimeouts> = {
  title: 'beeline-timeouts',
  version: 1,
  noun: 'earlier timeouts',
  schema: z.record(
    z.string(),
    z.strictObject({
      past: z.array(z.strictObject({ ...lifetimesShape, until: z.int().min(0) })).max(MAX_PERIODS),
      present: z.strictObject(lifetimesShape),
      goneSince: z.int().min(0).optional(),
    }),
  ),
};
