/** Keeps the form of a file's lines that a change does not touch: the YAML library writes the whole file anew. Pure. */

/** A line that is not blank, and the blank lines before it. */
interface Line {
  readonly text: string;
  readonly blanks: readonly string[];
}

/**
 * Returns the new text of a file with the old form of all lines that did not change: spaces, blank lines, quotes of names.
 * The result may mean something else where the old form cannot be mixed with the library's: the caller checks that.
 *
 * @param old the file as people wrote it
 * @param rewritten the same content as the library writes it
 * @param changed the new content as the library writes it
 */
export function keepForm(old: string, rewritten: string, changed: string): string {
  const eol = old.includes('\r\n') ? '\r\n' : '\n';
  const [was, same, next] = [linesOf(old), linesOf(rewritten), linesOf(changed)];
  const unspaced = ({ text }: Line): string => text.replace(/\s/g, '');
  const oldOf = align(same.lines.map(unspaced), was.lines.map(unspaced));
  const sameOf = align(
    next.lines.map(({ text }) => text),
    same.lines.map(({ text }) => text),
  );
  const indenter = new Indenter();
  const kept = next.lines.flatMap((line, i): readonly string[] => {
    const before = was.lines[oldOf[sameOf[i] ?? -1] ?? -1];
    return before === undefined
      ? [...line.blanks.map(() => ''), indenter.add(line.text)]
      : [...before.blanks, indenter.keep(line.text, before.text)];
  });
  return [...kept, ...was.rest].join(eol);
}

/** Indents new lines as the old ones around them. */
class Indenter {
  /** The old indentations by the library's, as far as lines above tell them. */
  readonly #indents = new Map<number, number>();
  /** The new line whose block goes on, by its indentation, and how far that block is moved. */
  #block: { readonly indent: number; readonly shift: number } | undefined;

  /** @param text as the library writes the line */
  keep(text: string, old: string): string {
    if (this.#isWithin(text)) {
      return this.#moved(text, old);
    }
    this.#block = undefined;
    this.#indents.set(indentOf(text), indentOf(old));
    this.#indents.set(contentOf(text), contentOf(old));
    return old;
  }

  add(text: string): string {
    const indent = indentOf(text);
    if (!this.#isWithin(text)) {
      this.#block = { indent, shift: (this.#indents.get(indent) ?? indent) - indent };
    }
    return this.#moved(text, text);
  }

  #isWithin(text: string): boolean {
    return this.#block !== undefined && indentOf(text) > this.#block.indent;
  }

  #moved(text: string, form: string): string {
    return ' '.repeat(Math.max(0, indentOf(text) + this.#block!.shift)) + form.trimStart();
  }
}

function linesOf(text: string): { readonly lines: readonly Line[]; readonly rest: readonly string[] } {
  const lines: Line[] = [];
  let blanks: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') {
      blanks.push(line);
    } else {
      lines.push({ text: line, blanks });
      blanks = [];
    }
  }
  return { lines, rest: blanks };
}

function indentOf(text: string): number {
  return text.length - text.trimStart().length;
}

/** Returns where the text after the dash of a list's entry begins; without a dash the indentation. */
function contentOf(text: string): number {
  return /^ *(?:- +)?/.exec(text)![0].length;
}

/** How many lines beyond a difference are looked at on the side that has more of them. */
const WINDOW = 50;

/**
 * Returns for each of `some` lines the index of the same line among the `others`, in ascending order; undefined for lines
 * that have none. Not the longest alignment possible, but linear in time.
 */
function align(some: readonly string[], others: readonly string[]): (number | undefined)[] {
  const found = new Array<number | undefined>(some.length).fill(undefined);
  const [inSome, inOthers] = [placesOf(some), placesOf(others)];
  let [i, j] = [0, 0];
  while (i < some.length && j < others.length) {
    if (some[i] === others[j]) {
      found[i] = j;
      [i, j] = [i + 1, j + 1];
      continue;
    }
    const all = [
      ...meetings(some, inOthers, i, j),
      ...meetings(others, inSome, j, i).map(({ at, of }) => ({ at: of, of: at })),
    ];
    // A line alone, such as the port of any service, may be the same by chance.
    const next = nearest(all.filter(({ at, of }) => goOn(some, others, at, of))) ?? nearest(all);
    if (next === undefined) {
      break;
    }
    [i, j] = [next.at, next.of];
  }
  return found;
}

interface Meeting {
  readonly at: number;
  readonly of: number;
}

/** Returns where lines from `i` on, up to the window's end, are found again from `j` on. */
function meetings(
  lines: readonly string[],
  places: ReadonlyMap<string, readonly number[]>,
  i: number,
  j: number,
): Meeting[] {
  return lines.slice(i, i + WINDOW).flatMap((line, n) => {
    const of = firstFrom(places.get(line) ?? [], j);
    return of === undefined ? [] : [{ at: i + n, of }];
  });
}

/** Whether the next lines are the same too. */
function goOn(some: readonly string[], others: readonly string[], i: number, j: number): boolean {
  return [1, 2].every((n) => some[i + n] === others[j + n]);
}

/** Returns the meeting that leaves out the fewest lines. */
function nearest(all: readonly Meeting[]): Meeting | undefined {
  return all.reduce<Meeting | undefined>(
    (best, each) => (best === undefined || each.at + each.of < best.at + best.of ? each : best),
    undefined,
  );
}

function placesOf(lines: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  lines.forEach((line, i) => {
    const before = places.get(line);
    if (before === undefined) {
      places.set(line, [i]);
    } else {
      before.push(i);
    }
  });
  return places;
}

/** Returns the first of ascending numbers that is not below a limit, by halving. */
function firstFrom(numbers: readonly number[], limit: number): number | undefined {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < limit) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return numbers[low];
}
