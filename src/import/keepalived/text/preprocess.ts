/**
 * Reads keepalived's files line by line as keepalived does (read_line in lib/parser.c): comments, includes, conditions,
 * definitions, ~SEQ and ~LST. Pure: files come through functions.
 */

import { join } from 'node:path';

import { BeelineError } from '../../../model/index.js';
import type { RemarkKind } from '../../result.js';
import {
  type Block,
  type Definition,
  ownDefinition,
  parseBlock,
  restoreSigns,
  type Surroundings,
  trimEnd,
  USE,
  withoutComment,
} from './expand.js';
import { decode, splitBraces } from './decode.js';
import { glob, isPattern, type List } from './glob.js';
import type { Line } from './line.js';

export interface Files {
  readonly list: List;
  /**
   * @returns undefined if it is no regular file, or executable: keepalived passes these over
   * @throws BeelineError `CONFIG_UNREADABLE`
   */
  readonly read: (path: string) => Uint8Array | undefined;
}

export type Tell = (kind: RemarkKind, at: Omit<Line, 'text'>, text: string) => void;

const MOST_BYTES = 8 << 20;
const MOST_FILES = 10_000;
const MOST_DEPTH = 50;
/** Eight megabytes have hardly more. */
const MOST_LINES = 400_000;
const MOST_LENGTH = 1 << 16;
const MOST_USES = 1000;
/** Characters that definitions are put into, over all lines. */
const MOST_WORK = 1 << 28;

type Frame =
  | { readonly kind: 'file'; readonly file: string; readonly folder: string; readonly rows: string[]; next: number }
  | { readonly kind: 'files'; readonly paths: readonly string[]; readonly at: Line; next: number }
  | { readonly kind: 'lines'; readonly lines: readonly Line[]; next: number }
  | { readonly kind: 'block'; readonly block: Block; readonly at: Line };

export class Preprocessor {
  readonly #files: Files;
  readonly #surroundings: Surroundings;
  readonly #tell: Tell;
  readonly #frames: Frame[] = [];
  readonly #definitions = new Map<string, Definition>();
  #defining: { readonly name: string; readonly lines: Line[] } | undefined;
  #bytes = 0;
  #reads = 0;
  #lines = 0;
  #work = 0;

  constructor(files: Files, surroundings: Surroundings, tell: Tell) {
    this.#files = files;
    this.#surroundings = surroundings;
    this.#tell = tell;
  }

  /**
   * Returns the lines of a file and of those that it includes; "{" and "}" are lines of their own.
   *
   * @throws BeelineError `CONFIG_UNREADABLE`, `CONFIG_INVALID`
   */
  *read(path: string): Generator<Line> {
    if (!this.#open(path)) {
      throw new BeelineError('CONFIG_UNREADABLE', `${path} is no regular file, or it is executable`, {
        hint: 'keepalived reads no such file either: name its configuration, and "chmod a-x" it.',
      });
    }
    for (let line = this.#next(); line !== undefined; line = this.#next()) {
      if (this.#defining !== undefined) {
        this.#define(line);
        continue;
      }
      const text = this.#process(line);
      if (text !== undefined && !this.#include(text, line)) {
        yield* splitBraces({ ...line, text: restoreSigns(text) });
      }
    }
    this.#endDefinition();
  }

  /** @returns false if the file is passed over */
  #open(path: string): boolean {
    this.#reads += 1;
    const bytes = this.#files.read(path);
    if (bytes === undefined) {
      return false;
    }
    this.#bytes += bytes.length;
    if (this.#bytes > MOST_BYTES || this.#reads > MOST_FILES) {
      const what = this.#bytes > MOST_BYTES ? `${MOST_BYTES >> 20} MiB` : `${MOST_FILES} files`;
      throw new BeelineError('CONFIG_INVALID', `${path}: that is more than ${what}, too much for a configuration`);
    }
    const slash = path.lastIndexOf('/');
    const folder = path.slice(0, slash === 0 ? 1 : Math.max(slash, 0));
    this.#frames.push({ kind: 'file', file: path, folder, rows: decode(bytes, path).split('\n'), next: 0 });
    return true;
  }

  /** Returns the next line that is not empty, without its comment. */
  #next(): Line | undefined {
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      this.#lines += 1;
      if (this.#lines > MOST_LINES) {
        throw new BeelineError('CONFIG_INVALID', `the configuration has more than ${MOST_LINES} lines`, {
          hint: 'Look at its definitions, and at ~SEQ and ~LST: they may make more lines of it than are meant.',
        });
      }
      const line = this.#take(frame);
      if (line === undefined) {
        this.#frames.pop();
      } else if (line.text !== '') {
        return line;
      }
    }
    return undefined;
  }

  /** Returns the next line of a frame, which may be empty; undefined: it is at its end. */
  #take(frame: Frame): Line | undefined {
    switch (frame.kind) {
      case 'lines':
        return frame.lines[frame.next++];
      case 'files': {
        const path = frame.paths[frame.next++];
        if (path === undefined) {
          return undefined;
        }
        this.#openIncluded(path, frame.at);
        return { ...frame.at, text: '' };
      }
      case 'block': {
        const turn = frame.block.turns.next();
        if (turn.done === true) {
          return undefined;
        }
        for (const [name, text] of turn.value) {
          this.#definitions.set(name, { lines: [{ ...frame.at, text }], several: false });
        }
        return { ...frame.at, text: frame.block.text };
      }
      case 'file': {
        const row = frame.rows[frame.next++];
        if (row === undefined) {
          return undefined;
        }
        const line = { file: frame.file, line: frame.next, text: '' };
        const bare = row.endsWith('\r') ? row.slice(0, -1) : row;
        if (bare === '') {
          this.#endDefinition();
          return line;
        }
        if (bare.length > MOST_LENGTH) {
          this.#tell('dropped', line, `a line of ${bare.length} characters; keepalived takes 1,023 at most`);
          return line;
        }
        return { ...line, text: withoutComment(bare) };
      }
    }
  }

  /** Takes conditions, definitions and blocks; returns what else the line says. */
  #process(line: Line): string | undefined {
    let { text } = line;
    for (let uses = 0; uses < MOST_USES; uses += 1) {
      if (text.startsWith('@')) {
        const rest = this.#condition(text, line);
        if (rest === undefined) {
          return undefined;
        }
        text = rest;
      }
      const now = { ...line, text };
      if (this.#startDefinition(now) || this.#startBlock(now) || this.#startLines(now)) {
        return undefined;
      }
      const replaced = text.includes('$') ? this.#replace({ ...line, text }, true) : text;
      if (replaced === undefined || replaced === text) {
        return replaced;
      }
      text = withoutComment(replaced);
    }
    return undefined;
  }

  /** @returns the rest of "@id …" and "@^id …" if the condition holds */
  #condition(text: string, line: Line): string | undefined {
    const [, negation, id = '', rest] = /^@(\^?)([^ \t]*)[ \t]+(.*)$/s.exec(text) ?? [];
    const holds = rest !== undefined && (id === this.#surroundings.id) !== (negation === '^');
    if (rest === undefined) {
      this.#tell('kept', line, '');
    } else if (!holds) {
      const whom = negation === '^' ? `all but ${id}` : `${id} alone`;
      const why =
        id === ''
          ? 'it is for no host, since there is no id after "@"'
          : `it is for ${whom}, and this is ${this.#surroundings.id} (--id)`;
      this.#tell('translated', line, `passed over: ${why}`);
    }
    return holds ? rest : undefined;
  }

  #startDefinition(line: Line): boolean {
    const [, name, value = ''] = /^\$([A-Za-z_]\w*)[ \t]*=[ \t]*(.*)$/s.exec(line.text) ?? [];
    if (name === undefined) {
      return false;
    }
    if (value.endsWith('\\')) {
      this.#defining = { name, lines: [] };
      this.#define({ ...line, text: value });
    } else {
      this.#tell('kept', line, '');
      this.#definitions.set(name, { lines: [{ ...line, text: value }], several: false });
    }
    return true;
  }

  /** Adds a line to the definition that is open; the last one has no "\" at its end. */
  #define(line: Line): void {
    this.#tell('kept', line, '');
    const goesOn = line.text.endsWith('\\');
    const text = goesOn ? trimEnd(line.text.slice(0, -1)) : line.text;
    if (text !== '') {
      this.#defining?.lines.push({ ...line, text });
    }
    if (!goesOn) {
      this.#endDefinition();
    }
  }

  #endDefinition(): void {
    if (this.#defining !== undefined) {
      const { name, lines } = this.#defining;
      this.#definitions.set(name, { lines, several: lines.length > 1 });
      this.#defining = undefined;
    }
  }

  /** Goes on with the lines of a definition if a line is nothing else than its name. */
  #startLines(line: Line): boolean {
    USE.lastIndex = 0;
    const found = USE.exec(line.text);
    const definition = found === null ? undefined : this.#definitions.get(found[1] ?? found[3]!);
    if (found?.[0].length !== line.text.length || definition?.several !== true) {
      return false;
    }
    this.#tell('kept', line, '');
    this.#frames.push({ kind: 'lines', lines: definition.lines, next: 0 });
    return true;
  }

  #startBlock(line: Line): boolean {
    if (!line.text.startsWith('~')) {
      return false;
    }
    const block = parseBlock(line.text, (text) => this.#replace({ ...line, text }, false) ?? '');
    if (block === undefined) {
      this.#tell('dropped', line, `"${line.text}" is no ~SEQ or ~LST that keepalived knows`);
    } else {
      this.#tell('kept', line, '');
      this.#frames.push({ kind: 'block', block, at: line });
    }
    return true;
  }

  /** Puts definitions into a text. Undefined: that never ends. @param whole whether those of several lines may be used */
  #replace(line: Line, whole: boolean): string | undefined {
    let { text } = line;
    let uses = 0;
    for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', at)) {
      USE.lastIndex = at;
      const found = USE.exec(text);
      const isLast = found !== null && at + found[0].length === text.length;
      const value = found === null ? undefined : this.#valueOf(found, line, whole && isLast);
      if (found === null || value === undefined) {
        this.#tellUndefined(found, text.slice(0, at), line);
        at += 1;
        continue;
      }
      text = `${text.slice(0, at)}${value}${text.slice(at + found[0].length)}`;
      uses += 1;
      this.#work += text.length;
      if (this.#work > MOST_WORK) {
        throw new BeelineError('CONFIG_INVALID', `${line.file}:${line.line}: the definitions make too much text`);
      }
      if (uses > MOST_USES || text.length > MOST_LENGTH) {
        this.#tell('dropped', line, `"${line.text}" uses definitions without end`);
        return undefined;
      }
      if (value.startsWith('~')) {
        return text;
      }
    }
    return text;
  }

  /** In quotes it may be the variable of a script. */
  #tellUndefined(found: RegExpExecArray | null, before: string, line: Line): void {
    if (found !== null && before.split('"').length % 2 === 1) {
      this.#tell('note', line, `"${found[0]}" is defined nowhere before this line, and stays as it is`);
    }
  }

  #valueOf(found: RegExpExecArray, line: Line, several: boolean): string | undefined {
    const name = found[1] ?? found[3]!;
    const definition = this.#definitions.get(name);
    if (definition === undefined) {
      const folder = this.#frames.findLast((frame) => frame.kind === 'file')?.folder ?? '';
      const parameters = (found[2] ?? '').split(/[ \t]+/).filter((each) => each !== '');
      if (name === '_RANDOM') {
        this.#tell(
          'translated',
          line,
          `\${_RANDOM} is another number at each start of keepalived: here ${parameters[0] ?? 0}`,
        );
      }
      return ownDefinition(name, parameters, folder, this.#surroundings);
    }
    const [first, ...rest] = definition.lines;
    if (definition.several) {
      if (!several) {
        return undefined;
      }
      this.#tell('kept', line, '');
      this.#frames.push({ kind: 'lines', lines: rest, next: 0 });
    }
    return first?.text ?? '';
  }

  /** Opens what "include PATTERN" names. @returns whether the line is one */
  #include(text: string, line: Line): boolean {
    const [, kind = '', pattern] = /^include([rmwba]?)[ \t]+([^ \t].*)$/s.exec(text) ?? [];
    if (pattern === undefined) {
      return false;
    }
    const at = `${line.file}:${line.line}`;
    const folder = this.#frames.findLast((frame) => frame.kind === 'file')?.folder ?? '';
    const path = pattern.startsWith('/') ? pattern : join(folder, pattern);
    const paths = glob(path, this.#files.list);
    if (paths === undefined) {
      throw new BeelineError('CONFIG_INVALID', `${at}: the pattern of include stands for too many files`);
    }
    const [none] = paths.length === 0 ? [path] : [];
    if (none !== undefined && (!isPattern(path) || 'wa'.includes(kind || ' '))) {
      throw new BeelineError('CONFIG_UNREADABLE', `${at}: there is no file ${none} to include`, {
        hint: 'Copy the file to that place, or take the line out: without it the configuration would lack what it has.',
      });
    }
    this.#tell('kept', line, '');
    this.#frames.push({ kind: 'files', paths, at: line, next: 0 });
    return true;
  }

  #openIncluded(path: string, line: Line): void {
    const open = this.#frames.filter((frame) => frame.kind === 'file');
    const at = `${line.file}:${line.line}`;
    if (open.some(({ file }) => file === path) || open.length > MOST_DEPTH) {
      throw new BeelineError('CONFIG_INVALID', `${at}: ${path} includes itself, at once or by other files`);
    }
    try {
      if (!this.#open(path)) {
        this.#tell('translated', line, `${path} is passed over, as in keepalived: no regular file, or executable`);
      }
    } catch (error) {
      throw error instanceof BeelineError
        ? new BeelineError(error.code, `${at}: ${error.message}`, {
            ...(error.hint && { hint: error.hint }),
            cause: error,
          })
        : error;
    }
  }
}
