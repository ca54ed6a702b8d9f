/** Reads a block by a table of its keywords, and says what becomes of each statement. */

import { nearest } from '../../model/index.js';
import type { RemarkKind } from '../result.js';
import type { Collector } from './collector.js';
import type { Statement } from './text/tree.js';

/** What becomes of a keyword without any look at its words. */
export interface Fate {
  readonly kind: Exclude<RemarkKind, 'kept'>;
  /** Follows "KEYWORD: ". */
  readonly text: string;
}

export type Fates = ReadonlyMap<string, Fate>;

/** Handles one statement. Whatever it does, it tells of it. */
export type Handler<Target> = (statement: Statement, target: Target) => void;
export type Handlers<Target> = ReadonlyMap<string, Handler<Target>>;

/** Returns fates of keywords that have the same one. @param keywords with blanks between them */
export function fates(
  kind: Fate['kind'],
  ...rows: readonly (readonly [keywords: string, text: string])[]
): [string, Fate][] {
  return rows.flatMap(([keywords, text]) => keywords.split(' ').map((each): [string, Fate] => [each, { kind, text }]));
}

/** Where a statement stands that is in no block. */
export const TOP = 'keepalived at the top of a file';

/** Reads the statements of a block. @param where completes "no keyword of …" */
export function readBlock<Target>(
  statements: readonly Statement[],
  target: Target,
  { handlers, others }: { readonly handlers: Handlers<Target>; readonly others: Fates },
  where: string,
  report: Collector,
): void {
  for (const statement of statements) {
    const keyword = statement.words[0]!;
    tellHidden(statement, (word) => handlers.has(word) || others.has(word), report);
    const handler = handlers.get(keyword);
    const fate = others.get(keyword);
    if (handler !== undefined) {
      handler(statement, target);
    } else if (fate !== undefined) {
      report.tellBlock(fate.kind, statement, `${keyword}: ${fate.text}`);
    } else {
      const text = unknownText(keyword, [...handlers.keys(), ...others.keys()], where);
      report.tellBlock('dropped', statement, statement.children === undefined ? text : blockText(text, where));
    }
  }
}

/** keepalived reads one keyword of a line, and passes over what follows its words. */
function tellHidden(statement: Statement, isKeyword: (word: string) => boolean, report: Collector): void {
  const hidden = statement.words.slice(1).find(isKeyword);
  if (hidden !== undefined && isKeyword(statement.words[0]!)) {
    const text = `"${hidden}" stands behind it on the same line, where keepalived does not read it`;
    report.tell('dropped', statement, `${statement.words[0]!}: ${text}`);
  }
}

/** process_stream() in lib/parser.c passes over a "{" that it does not expect, and over nothing else. */
function blockText(text: string, where: string): string {
  const question = text.endsWith('?') ? text : `${text}; is a "}" missing before it?`;
  return where === TOP ? text : `${question} keepalived takes the "}" of its block for the end of ${where}`;
}

function unknownText(keyword: string, known: readonly string[], where: string): string {
  const text = `"${shown(keyword)}" is no keyword of ${where}`;
  // A long word is no slip, and would take long to compare with all.
  const meant = keyword.length > 40 ? undefined : nearest(keyword, known);
  return meant === undefined ? text : `${text}; did you mean ${meant}?`;
}

const MOST_CHARACTERS = 60;

/** Returns a word as a remark quotes it. */
export function shown(word: string): string {
  return word.length > MOST_CHARACTERS ? `${word.slice(0, MOST_CHARACTERS)}…` : word;
}
