/** How much of a map `beeline map` shows, and from where on: for text and JSON alike. */

/** Output that is made piece by piece. */
export type Text = Generator<string, void, undefined>;

/** Which part of a map to show. */
export interface ViewOptions {
  /** Rows, lines or elements. */
  readonly limit: number;
  /** Also show array elements that are zero. */
  readonly all: boolean;
  /** Show each CPU's value, not their sum. */
  readonly perCpu: boolean;
  /** The path of the first element to show, in the first value. */
  readonly at: string | undefined;
}

/** Where to continue: a key, and a path into its value if that is long. */
export interface Position {
  readonly key: string;
  readonly path?: string;
}

/** Counts what is shown, up to a limit, and remembers the first that was not. */
export class Budget {
  #left: number;
  #next: Position | undefined;
  /** Elements that were left out because they are zero. */
  skipped = 0;

  constructor(limit: number) {
    this.#left = limit;
  }

  /** How many more may be shown. */
  get left(): number {
    return this.#left;
  }

  /** Counts one more. @returns false if the limit is reached */
  take(position: () => Position): boolean {
    if (this.#left === 0) {
      this.#next ??= position();
      return false;
    }
    this.#left -= 1;
    return true;
  }

  /** The first that was not shown; undefined: all were. */
  get next(): Position | undefined {
    return this.#next;
  }
}

/** The index at the end of a path, "entry[12]" → ["entry", 12]. */
export function splitIndex(path: string): [array: string, index: number] | undefined {
  const [, array, index] = /^(.*)\[(\d+)\]$/.exec(path) ?? [];
  return index === undefined ? undefined : [array!, Number(index)];
}

/** One value that is printed as text. */
export interface TextView {
  /** The entry's key, as a user types it. */
  readonly key: string;
  readonly budget: Budget;
  readonly options: ViewOptions;
}
