/** Definitions of keepalived, and the blocks ~SEQ and ~LST: what is written once and read several times. Pure. */

import type { Line } from './line.js';

/** A text, or several lines of which the first stands in the place of the name. */
export interface Definition {
  readonly lines: readonly Line[];
  readonly several: boolean;
}

/** Stand for "#" and "!" that begin no comment until the line is whole: letters for private use, which no file has. */
const HASH = '\ue000';
const BANG = '\ue001';

/** Returns a text without its comment and without blanks around it; see restoreSigns(). */
export function withoutComment(text: string): string {
  const kept: string[] = [];
  let inQuotes = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    const next = text[at + 1];
    if (character === '"') {
      inQuotes = !inQuotes;
    } else if (character === '\\' && next !== undefined) {
      kept.push(!inQuotes && next === '#' ? HASH : !inQuotes && next === '!' ? BANG : `\\${next}`);
      at += 1;
      continue;
    } else if (!inQuotes && (character === '#' || character === '!')) {
      break;
    }
    kept.push(character);
  }
  const bare = kept.join('').replace(/^[ \t]+/, '');
  return bare.endsWith('\\') ? `${trimEnd(bare.slice(0, -1))}\\` : trimEnd(bare);
}

/** Puts back the signs that withoutComment() and signs by name have hidden. */
export function restoreSigns(text: string): string {
  return text.replaceAll(HASH, '#').replaceAll(BANG, '!');
}

/** Blanks at the end; a regular expression would look at each run of blanks in the middle as often as it is long. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) {
    end -= 1;
  }
  return text.slice(0, end);
}

/** What definitions that keepalived has itself are made of. */
export interface Surroundings {
  /** The name by which "@name" selects lines, and `${_INSTANCE}`. */
  readonly id: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Returns the text of a definition that keepalived has itself; undefined: there is none. @param folder the file's */
export function ownDefinition(
  name: string,
  parameters: readonly string[],
  folder: string,
  { id, environment }: Surroundings,
): string | undefined {
  switch (name) {
    case '_PWD':
      return folder === '' ? '.' : folder;
    case '_INSTANCE':
      return id;
    case '_RANDOM':
      return parameters[0] ?? '0';
    case '_ENV':
      return parameters[0] === undefined ? undefined : environment[parameters[0]];
    case '_HASH':
      return HASH;
    case '_BANG':
      return BANG;
    default:
      return undefined;
  }
}

/** A use of a definition: "$NAME" before a blank, a comma, a bracket or the end, or "${NAME}", "${NAME PARAMETER}". */
export const USE = /\$(?:\{([A-Za-z_]\w*)((?:[ \t]+\w+)*)\}|([A-Za-z_]\w*)(?=[ \t,)]|$))/y;

/** One round of a block: the definitions that hold in it. */
export type Turn = readonly (readonly [name: string, text: string])[];

export interface Block {
  /** The rest of the line, which each round reads. */
  readonly text: string;
  readonly turns: Iterator<Turn>;
}

/** Parses "~SEQ(VAR, START, STEP, END) …", "~SEQx" and "~LST(…) …". Undefined: it is none. @param resolve uses definitions */
export function parseBlock(text: string, resolve: (text: string) => string): Block | undefined {
  const [head, kind = ''] = /^~(SEQx?|LST)[ \t]*\(/.exec(text) ?? [];
  const end = text.indexOf(')');
  if (head === undefined || end < 0) {
    return undefined;
  }
  const inner = text.slice(head.length, end);
  const rest = text.slice(end + 1).replace(/^[ \t]+/, '');
  const turns = kind === 'LST' ? listTurns(inner) : sequenceTurns(inner, kind === 'SEQx', resolve);
  return turns === undefined ? undefined : { text: rest, turns };
}

const NAME = /^[A-Za-z_]\w*$/;
const NUMBER = /^([+-]?)(0x[0-9a-f]{1,13}|0[0-7]{0,16}|[1-9][0-9]{0,14})$/i;

function sequenceTurns(inner: string, hex: boolean, resolve: (text: string) => string): Iterator<Turn> | undefined {
  const [name = '', ...given] = inner.split(',').map((each) => each.trim());
  const numbers = given.map((each) => numberOf(resolve(each).trim()));
  if (!NAME.test(name) || numbers.length < 1 || numbers.length > 3 || numbers.includes(undefined)) {
    return undefined;
  }
  const [first, second, third] = numbers as number[];
  const end = third ?? second ?? first!;
  const start = second === undefined ? (end < 0 ? -1 : 1) : first!;
  const step = third === undefined ? (start <= end ? 1 : -1) : second!;
  if (step === 0 || (end - start) * step < 0 || (hex && (start < 0 || end < 0))) {
    return undefined;
  }
  return counted(name, start, step, end, hex);
}

function* counted(name: string, start: number, step: number, end: number, hex: boolean): Generator<Turn> {
  for (let each = start; step > 0 ? each <= end : each >= end; each += step) {
    yield [[name, each.toString(hex ? 16 : 10)]];
  }
}

/** strtol(3) with base 0. */
function numberOf(text: string): number | undefined {
  const [, sign, digits] = NUMBER.exec(text) ?? [];
  if (digits === undefined) {
    return undefined;
  }
  const value = /^0[0-7]/.test(digits) ? parseInt(digits, 8) : Number(digits);
  return sign === '-' ? -value : value;
}

function listTurns(inner: string): Iterator<Turn> | undefined {
  const groups = groupsOf(inner);
  const [names, ...values] = groups ?? [];
  if (names === undefined || values.length === 0 || !names.every((each) => NAME.test(each))) {
    return undefined;
  }
  return values.some((each) => each.length > names.length)
    ? undefined
    : values.map((each): Turn => names.map((name, i) => [name, each[i] ?? ''] as const))[Symbol.iterator]();
}

/** Splits "{A, B}, {1, 2}, 3" into lists. */
function groupsOf(inner: string): string[][] | undefined {
  const groups: string[][] = [];
  let at = 0;
  while (at <= inner.length) {
    const from = at + /^[ \t]*/.exec(inner.slice(at))![0].length;
    const braced = inner[from] === '{';
    const end = inner.indexOf(braced ? '}' : ',', from);
    if (braced && end < 0) {
      return undefined;
    }
    const stop = end < 0 ? inner.length : end;
    const body = inner.slice(braced ? from + 1 : from, stop);
    groups.push(braced ? body.split(',').map((each) => each.trim()) : [body.trim()]);
    const comma = braced ? inner.indexOf(',', stop) : stop;
    if (comma < 0 || comma >= inner.length) {
      return groups;
    }
    at = comma + 1;
  }
  return groups;
}
