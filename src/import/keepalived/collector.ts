/** Collects remarks: each once, and in the order of files and lines. */

import type { Remark, RemarkKind } from '../result.js';
import type { Statement } from './text/tree.js';

export class Collector {
  readonly #remarks = new Map<string, Remark>();
  readonly #files = new Map<string, number>();

  readonly tell = (kind: RemarkKind, { file, line }: { file: string; line: number }, text: string): void => {
    this.#add({ file, line, kind, text });
  };

  /** A remark on a statement and all that is in its block. */
  tellBlock(kind: RemarkKind, { file, line, lastLine }: Statement, text: string): void {
    this.#add({ file, line, ...(lastLine > line && { lastLine }), kind, text });
  }

  /** The statement says the same in the configuration. */
  keep(statement: Statement): void {
    this.tell('kept', statement, '');
  }

  sorted(): Remark[] {
    const rank = ({ file = '' }: Remark): number => this.#files.get(file) ?? 0;
    return [...this.#remarks.values()].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
  }

  #add(remark: Remark): void {
    const { file = '', line, lastLine, kind, text } = remark;
    if (!this.#files.has(file)) {
      this.#files.set(file, this.#files.size);
    }
    const key = JSON.stringify([file, line, lastLine, kind, text]);
    if (!this.#remarks.has(key)) {
      this.#remarks.set(key, remark);
    }
  }
}
