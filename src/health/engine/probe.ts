/** A check that is made for all real servers in services that want the same one. */

import { isSlowCheck, type NetworkCheck, type SlowCheck } from '../../model/index.js';
import { dueAgain, firstDue, type Pace } from '../agenda.js';
import { type Course, type Ended, Exchange } from './exchange.js';
import type { PlannedCheck, Spot } from './plan.js';
import type { Rank } from './slow-runs.js';
import type { Watch } from './servers.js';
import type { Way } from './ways.js';

/** The first checks of all real servers are made within this time, unless their interval is shorter… */
const FIRST_WITHIN_MS = 1000;
/** … or they are many: within so much for each of them, and at most this. */
const EACH_MS = 1;
const MANY_WITHIN_MS = 5000;
/** So many that begin together do not go on so: the second run of each is drawn from all of its interval. */
const BUNCH = 100;

export class Probe {
  /** PlannedCheck.run */
  readonly run: string;
  readonly check: NetworkCheck | SlowCheck;
  readonly spot: Spot;
  readonly timeoutMs: number;
  /** Undefined: Node.js makes the check. */
  readonly exchange: Exchange | undefined;
  /** Why it can never be made. */
  readonly flaw: string | undefined;
  readonly watches: Watch[] = [];
  readonly #pace: Pace;
  /** Nobody wants it any more. */
  isGone = false;
  isRunning = false;
  isWaiting = false;
  /** The first run comes with many others. */
  #isInBunch = false;
  began = 0;
  dueAt = 0;
  /** Ends a run that Node.js makes. */
  cancel: (() => void) | undefined;
  #way: Way | undefined;
  #course: Course | undefined;

  constructor(run: string, { check, timing }: PlannedCheck, spot: Spot, onEnd: (probe: Probe, ended: Ended) => void) {
    this.run = run;
    this.check = check;
    this.spot = spot;
    this.timeoutMs = timing.timeout * 1000;
    this.#pace = {
      interval: timing.interval * 1000,
      fastInterval: timing.fastInterval * 1000,
      jitter: timing.jitter,
    };
    if (!isSlowCheck(check)) {
      try {
        this.exchange = new Exchange(check, spot, this.timeoutMs, (ended) => {
          onEnd(this, ended);
        });
      } catch (error) {
        this.flaw = `the check is none: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  }

  /** Whether it needs the wire: the loop, or ports that lead to the VIP. */
  get needsWire(): boolean {
    return this.exchange !== undefined || this.spot.vip !== undefined;
  }

  /** Returns the course of the last run, if the way is the same. */
  knownCourse(way: Way): Course | undefined {
    return this.#way === way ? this.#course : undefined;
  }

  setCourse(way: Way, course: Course): void {
    this.#way = way;
    this.#course = course;
  }

  /** Whoever knows the real server as up has it checked first. */
  get rank(): Rank {
    return { isDown: this.watches.every(({ isUp }) => !isUp), intervalMs: this.#pace.interval };
  }

  get intervalMs(): number {
    return this.#pace.interval;
  }

  /** Results speak against the state of one of those who want it. */
  get #isChanging(): boolean {
    return this.watches.some((watch) => watch.isChanging);
  }

  /** When it is due for the first time. @param count how many are, together */
  first(now: number, random: number, count = 1): number {
    this.#isInBunch = count > BUNCH;
    return firstDue(now, this.#pace, random, Math.max(FIRST_WITHIN_MS, Math.min(count * EACH_MS, MANY_WITHIN_MS)));
  }

  /** When it is due again. The time at which it was due while it ran is over. */
  next(now: number, random: number): number {
    const isChanging = this.#isChanging;
    const interval = isChanging ? this.#pace.fastInterval : this.#pace.interval;
    if (this.#isInBunch) {
      this.#isInBunch = false;
      return now + interval * random;
    }
    const missed = Math.max(0, Math.floor((now - this.began) / interval));
    return dueAgain(this.began + missed * interval, this.#pace, isChanging, now, random);
  }

  /**
   * When it is due after a stall held it up: within the time of the stall, as if no check had been missed and none come twice, and
   * within its interval.
   */
  late(now: number, random: number): number {
    return firstDue(now, this.#pace, random, Math.max(now - this.dueAt, FIRST_WITHIN_MS));
  }
}
