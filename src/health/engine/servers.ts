/** What is known of each real server, from the states of its checks. */

import type { IpAddress } from '../../model/index.js';
import { type Advice, mostCautious } from '../advice.js';
import { type CheckState, unchecked } from '../judge.js';
import type { Outcome } from '../outcome.js';
import type { CheckReport, ServerHealth } from '../states.js';
import type { KeptServer } from './kept.js';
import type { PlannedCheck } from './plan.js';

/** One check of one real server in one service. */
export class Watch {
  readonly server: Server;
  planned: PlannedCheck;
  #state: CheckState;
  /** The last result, if it is a later one than that of #state. Changed in place: a new object for each result costs more than all else. */
  #last: { -readonly [Key in keyof Outcome]: Outcome[Key] } | undefined;
  trouble: string | undefined;
  /** The log knows of the trouble. */
  isTroubleTold = false;
  warning: string | undefined;
  advice: Advice | undefined;
  /** No model has it any more, which was told. One that comes back is told of again. */
  isRemoved = false;

  constructor(server: Server, planned: PlannedCheck, state: CheckState) {
    this.server = server;
    this.planned = planned;
    this.#state = state;
  }

  /** With a result that is not another while others come. */
  get state(): CheckState {
    return this.#last === undefined ? this.#state : { ...this.#state, last: { ...this.#last } };
  }

  set state(state: CheckState) {
    this.#state = state;
    this.#last = undefined;
  }

  get isUp(): boolean {
    return this.#state.isUp;
  }

  /** Results speak against the state. */
  get isChanging(): boolean {
    return this.#state.against > 0;
  }

  /** Takes one more result that says what is known. Returns false if it must be judged. */
  confirm(outcome: Outcome): boolean {
    const { isUp, last, against, heldSince } = this.#state;
    if (last === undefined || outcome.passed !== isUp || against > 0 || heldSince !== undefined) {
      return false;
    }
    this.#last ??= { ...outcome };
    this.#last.passed = outcome.passed;
    this.#last.layer = outcome.layer;
    this.#last.words = outcome.words;
    this.#last.ms = outcome.ms;
    return true;
  }

  get report(): CheckReport {
    const { planned, state, trouble, warning } = this;
    const { check, label } = planned;
    return {
      check,
      label,
      state,
      ...(trouble !== undefined && { trouble }),
      ...(warning !== undefined && { warning }),
    };
  }
}

/** What the real servers of one service have in common. */
export interface Group {
  /** Another object whenever the health of one of them is another. */
  state: object;
}

/** So long what is known of a check or a real server outlives it: a change that is refused, or taken back, loses nothing. */
export const REMEMBERED_MS = 60_000;
/** Of one real server. */
const MOST_DROPPED = 16;

/** A check that a model had no more. */
interface Dropped {
  readonly watch: Watch;
  readonly at: number;
  /** The real server was up with it. */
  readonly wasUp: boolean;
}

/** A class, since each literal with a getter has a shape of its own: 600 bytes more for each real server. */
class HealthNow implements ServerHealth {
  readonly service: string;
  readonly address: IpAddress;
  readonly isUp: boolean;
  readonly since: number;
  readonly advice: Advice | undefined;
  readonly #server: Server;

  constructor(server: Server, isUp: boolean, since: number, advice: Advice | undefined) {
    this.service = server.service;
    this.address = server.address;
    this.isUp = isUp;
    this.since = since;
    this.advice = advice;
    this.#server = server;
  }

  get checks(): CheckReport[] {
    return this.#server.watches.map(({ report }) => report);
  }
}

export class Server {
  readonly service: string;
  readonly address: IpAddress;
  /** One that comes back may come to another. */
  group: Group;
  watches: readonly Watch[] = [];
  #health: ServerHealth | undefined;
  #dropped: Dropped[] = [];

  constructor(service: string, address: IpAddress, group: Group) {
    this.service = service;
    this.address = address;
    this.group = group;
  }

  /** The same object while nothing changed that packets depend on. Its checks are those of this moment. */
  get health(): ServerHealth {
    return this.#health!;
  }

  /**
   * Has the checks of a plan. Those that are the same keep their states. Of a new one of a real server that is known, the
   * first result decides, and until then the real server stays as it is: what it is `initially` is for those nobody knows.
   *
   * @param kept what the last daemon knew
   * @returns those that it has no more
   */
  follow(planned: readonly PlannedCheck[], now: number, kept?: KeptServer): Watch[] {
    const wasUp = this.#health?.isUp;
    const isUp = wasUp ?? kept?.isUp;
    const before = new Map(this.watches.map((watch) => [watch.planned.key, watch]));
    this.watches = planned.map((each) => {
      const known = before.get(each.key) ?? this.#remembered(each.key, now);
      before.delete(each.key);
      if (known !== undefined) {
        known.planned = each;
        return known;
      }
      const last = kept?.checks.find(({ check }) => check === each.key);
      // An agent, or a file, is never what holds a real server down.
      const isDown = !isAdviser(each) && (isUp === undefined ? each.judging.initially === 'down' : !isUp);
      const watch = new Watch(this, each, last?.state ?? unchecked({ initially: isDown ? 'down' : 'up' }, now));
      watch.advice = last?.advice;
      return watch;
    });
    const gone = [...before.values()];
    if (wasUp !== undefined) {
      this.#drop(gone, wasUp, now);
    }
    this.update(now, kept);
    return gone;
  }

  #drop(watches: readonly Watch[], wasUp: boolean, now: number): void {
    if (watches.length > 0 || this.#dropped.length > 0) {
      this.#dropped = [
        ...this.#dropped.filter(({ at }) => now - at < REMEMBERED_MS),
        ...watches.map((watch) => ({ watch, at: now, wasUp })),
      ].slice(-MOST_DROPPED);
    }
  }

  /** Returns the check of a model before this one. */
  #remembered(key: string, now: number): Watch | undefined {
    const i = this.#dropped.findIndex(({ watch }) => watch.planned.key === key);
    if (i < 0) {
      return undefined;
    }
    const [{ watch, at, wasUp }] = this.#dropped.splice(i, 1) as [Dropped];
    // The real server failed others meanwhile: what this one found before is no news of it.
    const isOutdated = watch.isUp && wasUp && !this.health.isUp && !isAdviser(watch.planned);
    return now - at < REMEMBERED_MS && !isOutdated ? watch : undefined;
  }

  /** Brings `health` up to date. Returns whether it is another. */
  update(now: number, kept?: KeptServer): boolean {
    const { watches } = this;
    const isUp = watches.every((each) => each.isUp);
    const advice = joined(watches);
    const before = this.#health;
    if (before?.isUp === isUp && isSameAdvice(before.advice, advice)) {
      return false;
    }
    const since = before?.isUp === isUp ? before.since : kept?.isUp === isUp ? kept.since : now;
    this.group.state = {};
    this.#health = new HealthNow(this, isUp, since, advice);
    return true;
  }

  get kept(): KeptServer {
    const { service, address, watches } = this;
    const { isUp, since } = this.health;
    const checks = watches.map(({ planned, state, advice }) => ({
      check: planned.key,
      state,
      ...(advice && { advice }),
    }));
    return { service, address, isUp, since, checks };
  }
}

/** Whether a check only gives advice. */
export function isAdviser({ check }: Pick<PlannedCheck, 'check'>): boolean {
  return check.type === 'agent' || check.type === 'file';
}

/** Returns the advice of all agents and files together: the most cautious state, and the least weight. */
function joined(watches: readonly Watch[]): Advice | undefined {
  const advisers = watches.filter(({ advice }) => advice !== undefined);
  if (advisers.length === 0) {
    return undefined;
  }
  const given = advisers.map(({ advice }) => advice!);
  const types = new Set(advisers.map(({ planned }) => planned.check.type));
  const state = mostCautious(given.map((each) => each.state));
  const weight = least(given.map((each) => each.weight));
  const percent = least(given.map((each) => each.percent));
  return {
    ...(state !== undefined && { state }),
    ...(weight !== undefined && { weight }),
    ...(percent !== undefined && { percent }),
    source: types.size > 1 ? 'both' : types.has('file') ? 'file' : 'agent',
  };
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const numbers = values.filter((each) => each !== undefined);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

export function isSameAdvice(a: Advice | undefined, b: Advice | undefined): boolean {
  return (
    a === b ||
    (a?.state === b?.state && a?.weight === b?.weight && a?.percent === b?.percent && a?.source === b?.source)
  );
}
