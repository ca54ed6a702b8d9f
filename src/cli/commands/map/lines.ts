/** Lines of numbers: long arrays of integers, and bytes as hexdump prints them. */

import {
  type BtfCodec,
  formatHex,
  formatValue,
  isZero,
  pieces,
  type Place,
  type Region,
} from '../../../inspect/index.js';
import type { Text, TextView } from './view.js';

/** Numbers in a line, by their size. */
const numbersALine = (bytes: number): number => Math.max(4, Math.min(16, 32 / bytes));
const HEX_LINE = 16;

/** Prints an array of numbers. @returns how many elements were shown */
export function* numberLines(
  codec: BtfCodec,
  region: Region,
  array: Place,
  length: number,
  from: number,
  view: TextView,
): Generator<string, number, undefined> {
  const size = codec.sizeOf(codec.element(array, 0));
  const perLine = numbersALine(size);
  const whole = Math.floor(length / perLine);
  const { all } = view.options;
  const stride = size * perLine;
  const lines = pieces(region, {
    offset: array.offset,
    stride,
    count: whole,
    from: Math.floor(from / perLine),
    all,
  });
  const tail = length % perLine;
  let width = 1;
  let shown = 0;
  for (const { index, bytes } of withTail(lines, whole, region, array.offset + whole * stride, tail * size, all)) {
    if (!view.budget.take(() => ({ key: view.key, path: `${array.path}[${index * perLine}]` }))) {
      break;
    }
    const cells = Array.from({ length: bytes.length / size }, (_, i) =>
      formatValue(codec.decode({ ...codec.element(array, 0), offset: i * size }, bytes)),
    );
    shown += cells.length;
    width = Math.max(width, ...cells.map((cell) => cell.length));
    const label = String(index * perLine).padStart(String(length - 1).length);
    yield `  ${label}  ${cells.map((cell) => cell.padStart(width)).join(' ')}\n`;
  }
  return shown;
}

/** Adds the last line, which may be shorter. */
function* withTail(
  lines: Iterable<{ index: number; bytes: Uint8Array }>,
  index: number,
  region: Region,
  offset: number,
  length: number,
  all: boolean,
): Generator<{ index: number; bytes: Uint8Array }, void, undefined> {
  yield* lines;
  const bytes = region.read(offset, length);
  if (length > 0 && (all || !isZero(bytes))) {
    yield { index, bytes };
  }
}

/** Prints bytes, sixteen a line. Paths are offsets: "@4096". */
export function* hexLines(region: Region, { key, budget, options: { all, at } }: TextView): Text {
  const from = at === undefined ? 0 : Number(at.replace(/^@/, ''));
  const whole = Math.floor(region.byteLength / HEX_LINE);
  const lines = pieces(region, {
    offset: 0,
    stride: HEX_LINE,
    count: whole,
    from: Number.isInteger(from) ? Math.floor(from / HEX_LINE) : 0,
    all,
  });
  const tail = region.byteLength % HEX_LINE;
  for (const { index, bytes } of withTail(lines, whole, region, whole * HEX_LINE, tail, all)) {
    const offset = index * HEX_LINE;
    if (!budget.take(() => ({ key, path: `@${offset}` }))) {
      return;
    }
    const text = Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    yield `${offset.toString(16).padStart(8, '0')}  ${formatHex(bytes).padEnd(HEX_LINE * 3 - 1)}  |${text}|\n`;
  }
}
