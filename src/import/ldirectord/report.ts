/** Gathers what became of each line of a file while it is translated. */

import type { Remark } from '../result.js';

/** What became of a line; a note is a remark beside that. In the order in which the remarks on one line are told. */
const KINDS = ['kept', 'translated', 'dropped', 'note'] as const;
type Kind = (typeof KINDS)[number];

interface Entry {
  readonly line: number;
  readonly kind: Kind;
  readonly text: string;
  readonly lost: boolean;
}

export class Report {
  #entries: Entry[] = [];
  readonly #said = new Set<string>();
  readonly #told = new Set<number>();
  readonly #once = new Set<string>();

  /** The configuration has the same under the same name. */
  kept(line: number, what: string): void {
    this.#add(line, 'kept', what, false);
  }

  /** The configuration has the same in another form. */
  translated(line: number, to: string): void {
    this.#add(line, 'translated', to, false);
  }

  /** Something that the line asks for is missing now. @param why the reason, and what to do instead */
  dropped(line: number, why: string): void {
    this.#add(line, 'dropped', why, true);
  }

  /** The configuration need not say it. */
  unneeded(line: number, why: string): void {
    this.#add(line, 'translated', `nothing is needed: ${why}`, false);
  }

  /** A remark beside what became of the line: it counts as no result of its own. */
  note(line: number, text: string): void {
    this.#push({ line, kind: 'note', text, lost: false });
  }

  /** A remark that a file needs only once. */
  noteOnce(line: number, text: string): void {
    if (!this.#once.has(text)) {
      this.#once.add(text);
      this.note(line, text);
    }
  }

  /** Whether it is said what became of a line. */
  has(line: number): boolean {
    return this.#told.has(line);
  }

  /** What was kept or translated is dropped all the same. */
  retract(lines: ReadonlySet<number>): void {
    this.#entries = this.#entries.filter(
      ({ line, kind }) => (kind !== 'kept' && kind !== 'translated') || !lines.has(line),
    );
  }

  /** In the order of the file. */
  remarks(): Remark[] {
    return this.#entries
      .toSorted((a, b) => a.line - b.line || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
      .map(({ line, kind, text, lost }) => ({ line, text: `${kind}: ${text}`, lost }));
  }

  #add(line: number, kind: Kind, text: string, lost: boolean): void {
    this.#told.add(line);
    this.#push({ line, kind, text, lost });
  }

  /** Several real servers of a range, or of one section, have the same to say of one line. */
  #push(entry: Entry): void {
    const key = `${entry.line} ${entry.text}`;
    if (!this.#said.has(key)) {
      this.#said.add(key);
      this.#entries.push(entry);
    }
  }
}
