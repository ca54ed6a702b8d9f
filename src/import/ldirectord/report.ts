/** Gathers what became of each line of a file while it is translated. */

import { type Remark, REMARK_KINDS, type RemarkKind } from '../result.js';

export class Report {
  #entries: Remark[] = [];
  readonly #said = new Set<string>();
  readonly #told = new Set<number>();
  readonly #once = new Set<string>();

  /** The configuration has the same under the same name. */
  kept(line: number, what: string): void {
    this.#add(line, 'kept', what);
  }

  /** The configuration has the same in another form. */
  translated(line: number, to: string): void {
    this.#add(line, 'translated', to);
  }

  /** Something that the line asks for is missing now. @param why the reason, and what to do instead */
  dropped(line: number, why: string): void {
    this.#add(line, 'dropped', why);
  }

  /** The configuration need not say it. */
  unneeded(line: number, why: string): void {
    this.#add(line, 'translated', `nothing is needed: ${why}`);
  }

  /** A remark beside what became of the line: it counts as no result of its own. */
  note(line: number, text: string): void {
    this.#push({ line, kind: 'note', text });
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
    return this.#entries.toSorted(
      (a, b) => a.line - b.line || REMARK_KINDS.indexOf(a.kind) - REMARK_KINDS.indexOf(b.kind),
    );
  }

  #add(line: number, kind: RemarkKind, text: string): void {
    this.#told.add(line);
    this.#push({ line, kind, text });
  }

  /** Several real servers of a range, or of one section, have the same to say of one line. */
  #push(entry: Remark): void {
    const key = `${entry.line} ${entry.text}`;
    if (!this.#said.has(key)) {
      this.#said.add(key);
      this.#entries.push(entry);
    }
  }
}
