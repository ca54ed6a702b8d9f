/** Calls when something is due: by one timer, a few things in a turn, and never all at once that a stall held up. */

import { Agenda } from '../agenda.js';

/** Between turns. A timer for each of 3,000 checks a second would cost as much as the checks. */
const TURN_MS = 5;
/** Begun in a turn: 12,800 a second. */
const MOST_IN_TURN = 64;
/** The wait for the end of others, where no more may be in the air. */
const FULL_MS = 20;
/** What is so late was held up by a stall. */
const LATE_MS = 500;

export interface Due {
  isGone: boolean;
  /** It is in the schedule. */
  isWaiting: boolean;
  dueAt: number;
  /** When it is due after a stall. */
  late(now: number, random: number): number;
}

export interface ScheduleOptions<Item> {
  readonly clock: () => number;
  /** How many more may begin. */
  readonly room: () => number;
  readonly begin: (items: readonly Item[], now: number) => void;
}

export class Schedule<Item extends Due> {
  readonly #options: ScheduleOptions<Item>;
  #agenda = new Agenda<Item>();
  #timer: NodeJS.Timeout | undefined;
  /** When something was due last, and no more could be in the air. */
  fullAt = -Infinity;
  /** When the timer goes off. */
  #timerAt = Infinity;

  constructor(options: ScheduleOptions<Item>) {
    this.#options = options;
  }

  get size(): number {
    return this.#agenda.size;
  }

  /** Has an item called at a time, unless it waits for another. */
  add(item: Item, at: number): void {
    if (item.isWaiting) {
      return;
    }
    item.isWaiting = true;
    item.dueAt = at;
    this.#agenda.add(item, at);
    if (at < this.#timerAt) {
      this.#arm(Math.max(at - this.#options.clock(), TURN_MS));
    }
  }

  /** Forgets those that are gone, which otherwise leave when they are due. @param items all others, and maybe some that do not wait */
  prune(items: readonly Item[]): void {
    const waiting = items.filter(({ isWaiting }) => isWaiting);
    if (this.#agenda.size > 2 * waiting.length + MOST_IN_TURN) {
      this.#agenda = new Agenda();
      waiting.forEach((item) => {
        this.#agenda.add(item, item.dueAt);
      });
    }
  }

  #arm(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = this.#options.clock() + inMs;
    this.#timer = setTimeout(() => {
      this.#turn();
    }, inMs);
  }

  #turn(): void {
    const { clock, room, begin } = this.#options;
    this.#timerAt = Infinity;
    const now = clock();
    const free = Math.min(MOST_IN_TURN, room());
    const due: Item[] = [];
    while (due.length < free && this.#agenda.next <= now) {
      const item = this.#agenda.takeFirst();
      if (!item.isGone && now - item.dueAt > LATE_MS) {
        item.dueAt = item.late(now, Math.random());
        this.#agenda.add(item, item.dueAt);
        continue;
      }
      item.isWaiting = false;
      if (!item.isGone) {
        due.push(item);
      }
    }
    if (free < MOST_IN_TURN && this.#agenda.next <= now) {
      this.fullAt = now;
    }
    // What is begun may be due again at once, and arms the timer itself.
    if (due.length > 0) {
      begin(due, now);
    }
    if (this.#agenda.next < this.#timerAt) {
      // Timers know no more than 2^31 milliseconds.
      const wait = Math.min(this.#agenda.next - clock(), 2 ** 30);
      this.#arm(Math.max(wait, free <= 0 ? FULL_MS : TURN_MS));
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timerAt = -Infinity;
    this.#agenda = new Agenda();
  }
}
