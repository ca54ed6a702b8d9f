/** When each check is due: at its interval, spread over time, and never in a burst. Pure but for the clock it is given. */

/** The times of one check, in milliseconds. */
export interface Pace {
  readonly interval: number;
  /** While results speak against the state. */
  readonly fastInterval: number;
  /** The part of the interval, 0 to 1, by which each run is drawn earlier or later: many checks do not march in step. */
  readonly jitter: number;
}

/** A heap of what is due by time. It makes no object for what is added: thousands a second would be the garbage collector's work. */
export class Agenda<Item> {
  readonly #items: Item[] = [];
  readonly #times: number[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** When the next item is due; Infinity: never. */
  get next(): number {
    return this.#times[0] ?? Infinity;
  }

  add(item: Item, at: number): void {
    let i = this.#items.length;
    this.#items.push(item);
    this.#times.push(at);
    for (let above = (i - 1) >> 1; i > 0 && this.#times[above]! > at; above = (i - 1) >> 1) {
      this.#swap(i, above);
      i = above;
    }
  }

  /** Takes what is due, the earliest first, at most so many: the rest waits, so that a stall is not made up for at once. */
  take(now: number, most: number): Item[] {
    const items: Item[] = [];
    while (items.length < most && this.next <= now) {
      items.push(this.takeFirst());
    }
    return items;
  }

  /** Takes the item that is due first. There must be one. */
  takeFirst(): Item {
    const last = this.#items.length - 1;
    this.#swap(0, last);
    const first = this.#items.pop()!;
    this.#times.pop();
    this.#sink();
    return first;
  }

  #sink(): void {
    const times = this.#times;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      const right = left + 1;
      let least = i;
      if (left < times.length && times[left]! < times[least]!) {
        least = left;
      }
      if (right < times.length && times[right]! < times[least]!) {
        least = right;
      }
      if (least === i) {
        return;
      }
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(a: number, b: number): void {
    const [items, times] = [this.#items, this.#times];
    const [item, time] = [items[a]!, times[a]!];
    items[a] = items[b]!;
    times[a] = times[b]!;
    items[b] = item;
    times[b] = time;
  }
}

/**
 * Returns when a check is due again. After a stall it is due once and not as often as it was missed.
 *
 * @param began when the last run began
 * @param isChanging results speak against the state: the next comes sooner, and the state is certain sooner
 * @param random 0 to 1
 */
export function dueAgain(began: number, pace: Pace, isChanging: boolean, now: number, random: number): number {
  const interval = isChanging ? pace.fastInterval : pace.interval;
  return Math.max(now, began + interval * (1 + pace.jitter * (2 * random - 1)));
}

/** Returns when a check is due for the first time: within its interval, so that a thousand do not begin together. */
export function firstDue(now: number, pace: Pace, random: number, most: number): number {
  return now + Math.min(pace.interval, most) * random;
}
