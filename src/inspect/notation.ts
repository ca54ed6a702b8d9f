/** Values as they are typed and printed: YAML or JSON in, one line of the same out, hexadecimal both ways. Pure. */

import { parseDocument } from 'yaml';

import { type BtfValue, isList, isRecord, ValueError } from '../libbpf/index.js';

/**
 * What somebody typed: `{ port: 80, mac: 00:50:00:00:01:00 }`, `[1, 2]`, JSON, or one value, quoted or not. All scalars
 * stay text; the type that they are for says what they mean.
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
    throw new ValueError('', `this cannot be read: ${reason.replace(/:$/, '')}`);
  }
}

function plain(value: unknown): BtfValue {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, each]) => [String(key), plain(each)]));
  }
  return Array.isArray(value) ? value.map(plain) : String(value);
}

/** Integers that JSON's numbers cannot hold are text there. */
export function toJson(value: BtfValue): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each));
}

/** What needs no quotes within a list or an object: what YAML reads as one plain word. */
const BARE = /^([\w./+][\w./:|+-]*(?<!:)|-[\w.]+|[0-9a-f]{2}( [0-9a-f]{2})+)$/;
/** What needs none by itself. */
const WORDS = /^[^\s"[{][^\x00-\x1f]*(?<!\s)$/;
/** Larger ones are patterns of bits rather than counts: nobody counts that far. */
const PATTERN = 2n ** 53n;
/** Equal elements of a list that are worth a count. */
const RUN = 4;

/**
 * A value in one line, which `parseValue` reads.
 *
 * @param brief equal elements of lists are counted, "0 ×12"; then it is for people alone
 */
export function formatValue(value: BtfValue, brief = false): string {
  return typeof value === 'string' && WORDS.test(value) ? value : formatWithin(value, brief);
}

/** The same within a list or an object. */
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
 * Bytes in the order of memory: "0a 00 00 01", "0a000001", "0a:00:00:01".
 *
 * @throws ValueError for what is none, or of another length
 */
export function parseHex(text: string, length: number, what: string): Uint8Array {
  const digits = text.replace(/^0x/i, '').replaceAll(/[ :]/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) {
    throw new ValueError('', `"${text}" is not ${what} in hexadecimal: two digits a byte, as they lie in memory`);
  }
  if (digits.length !== length * 2) {
    throw new ValueError('', `${what} of this map has ${length} bytes, not ${digits.length / 2}`);
  }
  return Buffer.from(digits, 'hex');
}
