/** What the text and the JSON of `beeline map` have in common: how much is shown, and from where on. */

/** What of a map is asked for. */
export interface ViewOptions {
  /** Rows, lines or elements. */
  readonly limit: number;
  /** Also what is zero in arrays. */
  readonly all: boolean;
  /** Each CPU's value, rather than their sum. */
  readonly perCpu: boolean;
  /** Path of the first element to show, in the first value. */
  readonly at: string | undefined;
}

/** Where to go on: a key, and a path into its value where that is long. */
export interface Position {
  readonly key: string;
  readonly path?: string;
}

/** Counts what is shown, and remembers where it ended. */
export class Budget {
  #left: number;
  #next: Position | undefined;
  /** What was left out since it was zero. */
  skipped = 0;

  constructor(limit: number) {
    this.#left = limit;
  }

  /** How many more there is room for. */
  get left(): number {
    return this.#left;
  }

  /** True when there is room for one more, which is counted. */
  take(position: () => Position): boolean {
    if (this.#left === 0) {
      this.#next ??= position();
      return false;
    }
    this.#left -= 1;
    return true;
  }

  /** The first that was not shown; undefined when all was. */
  get next(): Position | undefined {
    return this.#next;
  }
}

/** The index at the end of a path, "entry[12]" → ["entry", 12]. */
export function splitIndex(path: string): [array: string, index: number] | undefined {
  const [, array, index] = /^(.*)\[(\d+)\]$/.exec(path) ?? [];
  return index === undefined ? undefined : [array!, Number(index)];
}
