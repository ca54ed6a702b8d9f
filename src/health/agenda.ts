/** When each check is due: at its interval, spread over time, and never in a burst. Pure but for the clock it is given. */

/** The times of one check, in milliseconds. */
export interface Pace {
  readonly interval: number;
  /** While results speak against the state. */
  readonly fastInterval: number;
  /** The part of the interval, 0 to 1, by which each run is drawn earlier or later: many checks do not march in step. */
  readonly jitter: number;
}

/** A heap of what is due by time. */
export class Agenda<Item> {
  readonly #heap: { readonly at: number; readonly item: Item }[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** When the next item is due; Infinity: never. */
  get next(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  add(item: Item, at: number): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push({ at, item });
    for (let above = (i - 1) >> 1; i > 0 && heap[above]!.at > at; above = (i - 1) >> 1) {
      [heap[i], heap[above]] = [heap[above]!, heap[i]!];
      i = above;
    }
  }

  /** Takes what is due, the earliest first, at most so many: the rest waits, so that a stall is not made up for at once. */
  take(now: number, most: number): Item[] {
    const items: Item[] = [];
    while (items.length < most && this.next <= now) {
      items.push(this.#takeFirst());
    }
    return items;
  }

  #takeFirst(): Item {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return first!.item;
  }

  #sink(): void {
    const heap = this.#heap;
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      const right = left + 1;
      let least = i;
      if (left < heap.length && heap[left]!.at < heap[least]!.at) {
        least = left;
      }
      if (right < heap.length && heap[right]!.at < heap[least]!.at) {
        least = right;
      }
      if (least === i) {
        return;
      }
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
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
