/** Runs a check once: finds its course, and hands it to the wire or to Node.js. */

import { isSlowCheck, type NetworkCheck, type SlowCheck } from '../../model/index.js';
import type { SlowResult } from '../slow/slow.js';
import type { Board } from './board.js';
import { type Course, courseOf, type Exchange } from './exchange.js';
import type { Line } from './line.js';
import type { Spot } from './plan.js';
import type { Rank, SlowRuns } from './slow-runs.js';
import type { Way, WayNetwork, Ways } from './ways.js';

/** A check that can be run. */
export interface Runnable {
  readonly check: NetworkCheck | SlowCheck;
  readonly spot: Spot;
  readonly timeoutMs: number;
  readonly exchange: Exchange | undefined;
  /** Of a check that Node.js makes. */
  readonly rank: Rank;
  knownCourse(way: Way): Course | undefined;
  setCourse(way: Way, course: Course): void;
}

/** `common`: the same for many checks, and told once. */
export interface Hindrance {
  readonly trouble: string;
  readonly common: boolean;
}

/** Not yet: the way is not known, or the wire is being opened. */
export const SOON = Symbol('soon');

export class Runner {
  readonly ways: Ways;
  readonly line: Line;
  readonly slow: SlowRuns;
  readonly #network: Pick<WayNetwork, 'hasAddress'>;
  /** While the wire is open. */
  board: Board | undefined;

  constructor(network: Pick<WayNetwork, 'hasAddress'>, ways: Ways, line: Line, slow: SlowRuns) {
    this.#network = network;
    this.ways = ways;
    this.line = line;
    this.slow = slow;
  }

  /** Returns the course of a check that goes over a network; undefined: it goes over none. */
  courseOf(runnable: Runnable): Course | undefined | Hindrance | typeof SOON {
    const { spot, exchange } = runnable;
    const { wish, vip } = spot;
    if (wish === undefined) {
      return undefined;
    }
    const way = this.ways.get(wish.key);
    if (way === undefined) {
      return SOON;
    }
    if (way.kind === 'none') {
      return { trouble: `cannot be checked${wish.toVip ? ' to the VIP' : ''}: ${way.reason}`, common: false };
    }
    let course = runnable.knownCourse(way);
    if (course === undefined) {
      course = courseOf(spot, way, vip !== undefined && this.#network.hasAddress(vip));
      runnable.setCourse(way, course);
    }
    if (exchange !== undefined || course.vip !== undefined) {
      if (this.board === undefined) {
        return this.line.trouble === undefined ? SOON : { trouble: this.line.trouble, common: true };
      }
      const refusal = way.kind === 'network' && course.vip ? this.line.troubleOf(way.ifindex) : undefined;
      if (refusal !== undefined) {
        return { trouble: refusal, common: true };
      }
    }
    return course;
  }

  /** Has Node.js make a check. Returns what ends it without a result. */
  startSlow(runnable: Runnable, course: Course | undefined, onEnd: (result: SlowResult) => void): () => void {
    const { check, spot, timeoutMs } = runnable;
    if (!isSlowCheck(check)) {
      throw new TypeError(`${check.type} is a check of the wire`);
    }
    const { target, environment } = spot;
    const context = {
      target,
      rip: course?.rip ?? spot.rip,
      ...(course && { local: course.local, scope: course.scope }),
      ...(course?.vip !== undefined && this.line.wire && { wire: this.line.wire.checks }),
      timeoutMs,
      environment,
    };
    return this.slow.start(check, context, runnable.rank, onEnd);
  }
}
