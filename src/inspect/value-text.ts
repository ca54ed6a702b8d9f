/** Parses values from YAML, JSON or hexadecimal, and prints them in one line. Pure. */

import { parseDocument } from 'yaml';

import { type BtfValue, isList, isRecord, ValueError } from '../libbpf/index.js';

/**
 * Parses a typed value: `{ port: 80, mac: 00:50:00:00:01:00 }`, `[1, 2]`, JSON, or one value, quoted or not. All scalars
 * stay text: their type decides their meaning later.
 *
 * @throws ValueError
 */
export function parseValue(text: string): BtfValue {
  if (!/^\s*[[{]|^"([^"\\]|\\.)*"$/.test(text)) {
    return text;
  }
  try {
    const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true });
    const [problem] = document.errors;
    if (problem === undefined) {
      return plain(document.toJS({ maxAliasCount: 0, mapAsMap: true }));
    }
    throw problem;
  } catch (error) {
    const [reason = ''] = error instanceof Error ? error.message.split('\n') : [];
    throw new ValueError('', `the value cannot be parsed: ${reason.replace(/:$/, '')}`);
  }
}

function plain(value: unknown): BtfValue {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, each]) => [String(key), plain(each)]));
  }
  return Array.isArray(value) ? value.map(plain) : String(value);
}

/** Prints JSON. Integers that JSON's numbers cannot hold become text. */
export function toJson(value: BtfValue): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each));
}

/** Text that needs no quotes within a list or an object: YAML reads it as one plain word. */
const BARE = /^([\w./+][\w./:|+-]*(?<!:)|-[\w.]+|[0-9a-f]{2}( [0-9a-f]{2})+)$/;
/** Text that needs no quotes outside of lists and objects. */
const WORDS = /^[^\s"[{][^\x00-\x1f]*(?<!\s)$/;
/** Larger numbers are patterns of bits rather than counts, and are printed in hexadecimal. */
const PATTERN = 2n ** 53n;
/** The least number of equal elements that are printed as a count. */
const RUN = 4;

/**
 * Prints a value in one line that `parseValue` reads.
 *
 * @param brief count equal elements of lists, "0 ×12"; `parseValue` does not read that
 */
export function formatValue(value: BtfValue, brief = false): string {
  return typeof value === 'string' && WORDS.test(value) ? value : formatWithin(value, brief);
}

/** Prints a value within a list or an object. */
function formatWithin(value: BtfValue, brief: boolean): string {
  if (isList(value)) {
    const cells = value.map((each) => formatWithin(each, brief));
    return `[${(brief ? countRuns(cells) : cells).join(', ')}]`;
  }
  if (isRecord(value)) {
    const members = Object.entries(value).map(([name, each]) => `${name}: ${formatWithin(each, brief)}`);
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
  }
  if (typeof value === 'bigint' && value >= PATTERN) {
    return `0x${value.toString(16)}`;
  }
  return typeof value === 'string' && !BARE.test(value) ? JSON.stringify(value) : String(value);
}

function countRuns(cells: readonly string[]): string[] {
  const runs: { cell: string; count: number }[] = [];
  for (const cell of cells) {
    const last = runs.at(-1);
    if (last?.cell === cell) {
      last.count += 1;
    } else {
      runs.push({ cell, count: 1 });
    }
  }
  return runs.flatMap(({ cell, count }) =>
    count >= RUN ? [`${cell} ×${count}`] : Array.from({ length: count }, () => cell),
  );
}

/** "0a 00 00 01" */
export function formatHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/**
 * Parses bytes in memory order: "0a 00 00 01", "0a000001", "0a:00:00:01".
 *
 * @throws ValueError for other text, and for another length
 */
export function parseHex(text: string, length: number, what: string): Uint8Array {
  const digits = text.replace(/^0x/i, '').replaceAll(/[ :]/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) {
    throw new ValueError('', `"${text}" is not ${what} in hexadecimal: two digits for each byte, in memory order`);
  }
  if (digits.length !== length * 2) {
    throw new ValueError('', `${what} of this map has ${length} bytes, not ${digits.length / 2}`);
  }
  return Buffer.from(digits, 'hex');
}
