/** From lines to a tree of statements: a keyword, its words, and the statements of its block. Pure. */

import type { Line } from './line.js';
import type { Tell } from './preprocess.js';
import { splitWords } from './words.js';

export interface Statement extends Line {
  /** The keyword first; never empty. */
  readonly words: readonly string[];
  /** Undefined: it has no block. */
  children: Statement[] | undefined;
  /** Where its block ends; its own line without one. In another file: unknown. */
  lastLine: number;
}

/** keepalived takes their block for begun if "{" is missing, and reads on; nothing else has these names. */
const ALWAYS_BLOCKS: ReadonlySet<string> = new Set([
  'global_defs',
  'virtual_server',
  'virtual_server_group',
  'real_server',
  'vrrp_instance',
  'vrrp_sync_group',
  'vrrp_script',
  'HTTP_GET',
  'SSL_GET',
  'TCP_CHECK',
  'SMTP_CHECK',
  'DNS_CHECK',
  'MISC_CHECK',
  'UDP_CHECK',
  'PING_CHECK',
  'FILE_CHECK',
  'BFD_CHECK',
]);

/** Their words are split in another way, which knows "'" too. */
const QUOTED = /^(?:misc_path|regex|script|quorum_(?:up|down)|notify\w*|(?:startup|shutdown)_script)$/;

/** After these, more blocks without an end tell nothing new. */
const MOST_UNENDED = 20;

/** Adds lines to a tree. Blocks may be nested however deeply: nothing calls itself. */
export class TreeBuilder {
  readonly roots: Statement[] = [];
  readonly #tell: Tell;
  readonly #open: Statement[] = [];
  /** What a "{" would belong to. */
  #last: Statement | undefined;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  add(line: Line): void {
    if (line.text === '{') {
      this.#begin(line);
    } else {
      this.#beginWithoutBrace(line);
      if (line.text === '}') {
        this.#end(line);
      } else {
        this.#addStatement(line);
      }
    }
  }

  /** Call it after the last line. */
  finish(): void {
    for (const { file, line, words } of this.#open.slice(0, MOST_UNENDED)) {
      this.#tell('dropped', { file, line }, `the block of ${words[0]!} has no "}": it reaches to the end of the file`);
    }
  }

  #begin(line: Line): void {
    if (this.#last === undefined) {
      this.#tell('dropped', line, 'a "{" that belongs to nothing');
    } else {
      this.#last.children = [];
      this.#open.push(this.#last);
      this.#last = undefined;
    }
  }

  #beginWithoutBrace(line: Line): void {
    const last = this.#last;
    if (last?.children === undefined && last !== undefined && ALWAYS_BLOCKS.has(last.words[0]!) && line.text !== '}') {
      this.#tell('translated', last, `${last.words[0]!}: "{" is missing; read as if it were there, as in keepalived`);
      this.#begin(line);
    }
  }

  #end(line: Line): void {
    const block = this.#open.pop();
    if (block === undefined) {
      this.#tell('dropped', line, 'a "}" without a "{" before it');
    } else if (block.file === line.file && line.line >= block.line) {
      block.lastLine = line.line;
    }
    this.#last = undefined;
  }

  #addStatement(line: Line): void {
    const { words, unclosed } = splitWords(line.text);
    if (unclosed && !QUOTED.test(words[0] ?? '')) {
      this.#tell('dropped', line, 'a quote has no end: what follows it is left out');
    }
    if (words.length > 0) {
      const { file, line: number, text } = line;
      const statement: Statement = { file, line: number, text, words, children: undefined, lastLine: number };
      (this.#open.at(-1)?.children ?? this.roots).push(statement);
      this.#last = statement;
    }
  }
}
