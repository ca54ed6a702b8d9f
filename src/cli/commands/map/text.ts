/** Maps as they look on a terminal: tables of entries, values line by line, long arrays as tables of their own. */

import {
  type BtfCodec,
  type BtfRecord,
  type BtfValue,
  columnsOf,
  formatHex,
  formatValue,
  hasLong,
  type InspectedMap,
  isEmpty,
  isLong,
  isNothing,
  isZero,
  outline,
  pieces,
  type Place,
  type Region,
  sum,
  type Typed,
  type ValueColumn,
} from '../../../inspect/index.js';
import { type Column, formatQuantity, formatTable } from '../../terminal/format.js';
import { type Budget, splitIndex, type ViewOptions } from './view.js';

/** Rows whose columns are made equally wide. */
const PAGE = 200;
/** Structs with more members are shown line by line. */
const MAX_COLUMNS = 11;
/** Members that are there to fill a gap: not worth a column while they are zero. */
const FILLER = /^(zero|reserved|unused|_*pad(ding)?)\d*$/;
/** Numbers in a line of a long array, by their size. */
const numbersALine = (bytes: number): number => Math.max(4, Math.min(16, 32 / bytes));
/** Values of mere bytes up to this length stand in a table. */
const SHORT_HEX = 32;
const HEX_LINE = 16;

type Text = Generator<string, void, undefined>;

/** All entries of a map. @param from the first key; `note` says what a key means */
export function* dumpText(
  map: InspectedMap,
  budget: Budget,
  options: ViewOptions,
  from: Uint8Array | undefined,
  note: (key: Uint8Array) => string,
): Text {
  const { value } = map;
  const perCpu = map.kind.perCpu === true;
  if (value === undefined ? !perCpu && map.info.valueSize > SHORT_HEX : !perCpu && isSpacious(value)) {
    yield* sections(map, budget, options, from, note);
  } else {
    yield* entryTable(map, budget, options, from);
  }
}

/** Sections of variables, and what has long arrays or many members, are shown line by line. */
function isSpacious({ codec, whole }: Typed): boolean {
  return (
    codec.btf.resolve(whole.type).kind === 'section' ||
    hasLong(codec, whole) ||
    columnsOf(codec, whole).length > MAX_COLUMNS
  );
}

/** One value, or a part of it. */
export function* valueText(
  map: InspectedMap,
  key: Uint8Array,
  region: Region,
  place: Place | undefined,
  budget: Budget,
  options: ViewOptions,
): Text {
  const { value } = map;
  if (map.kind.perCpu === true) {
    yield* perCpuText(map, region, place, options);
  } else if (value === undefined) {
    yield region.byteLength > SHORT_HEX
      ? [...hexLines(region, { key: map.formatKey(key), budget, options })].join('')
      : `${formatHex(region.read(0, region.byteLength))}\n`;
  } else {
    yield* placeText(value.codec, region, place ?? value.whole, { key: map.formatKey(key), budget, options });
  }
}

/** Entries whose values fit a row each. */
function* entryTable(map: InspectedMap, budget: Budget, options: ViewOptions, from: Uint8Array | undefined): Text {
  const { value } = map;
  const table = new PagedTable([{ title: 'KEY' }], value && columnsOf(value.codec, value.whole), options.all);
  const apart = map.showsCpus(options.perCpu);
  if (apart) {
    table.lead.push({ title: 'CPU', align: 'right' });
  }
  const sparse = map.kind.keys === 'index' && !options.all;
  for (const { key, region } of map.entries(from)) {
    if (sparse && isZero(region.read(0, region.byteLength))) {
      budget.skipped += 1;
      continue;
    }
    const name = map.formatKey(key);
    if (!budget.take(() => ({ key: name }))) {
      break;
    }
    const values = map.decodeCpus(region);
    if (apart) {
      values.forEach((each, cpu) => {
        table.add([cpu === 0 ? name : '', String(cpu)], each);
      });
    } else {
      table.add([name], values.length > 1 ? sum(values) : values[0]!);
    }
    yield table.page();
  }
  yield table.rest();
  if (table.isEmpty && budget.skipped === 0) {
    yield 'no entries\n';
  }
}

function* perCpuText(map: InspectedMap, region: Region, path: Place | undefined, options: ViewOptions): Text {
  const place = path ?? map.value?.whole;
  const values = map.decodeCpus(region, place);
  if (map.showsCpus(options.perCpu, place)) {
    const columns = place && map.value && columnsOf(map.value.codec, place);
    const table = new PagedTable([{ title: 'CPU', align: 'right' }], columns, options.all);
    values.forEach((each, cpu) => {
      table.add([String(cpu)], each);
    });
    yield table.rest();
  } else {
    const total = sum(values);
    yield typeof total === 'object' && !Array.isArray(total)
      ? labelled(Object.entries(total).map(([name, each]) => [name, formatValue(each, true)]))
      : `${formatValue(total, true)}\n`;
  }
}

/** Entries whose values are shown one below the other. */
function* sections(
  map: InspectedMap,
  budget: Budget,
  options: ViewOptions,
  from: Uint8Array | undefined,
  note: (key: Uint8Array) => string,
): Text {
  const sparse = map.kind.keys === 'index' && !options.all;
  let at = options.at;
  let printed = 0;
  for (const { key, region } of map.entries(from)) {
    if (sparse && isAllZero(region)) {
      budget.skipped += 1;
      continue;
    }
    const name = map.formatKey(key);
    // What is in the value counts; a value of which nothing counts does itself.
    const before = budget.left;
    if (before === 0) {
      budget.take(() => ({ key: name }));
      return;
    }
    yield `${printed === 0 ? '' : '\n'}key ${name}${note(key)}\n`;
    printed += 1;
    const view = { key: name, budget, options: { ...options, at } };
    if (map.value === undefined) {
      yield* hexLines(region, view);
    } else {
      yield* placeText(map.value.codec, region, map.value.whole, view);
    }
    at = undefined;
    if (budget.next !== undefined) {
      return;
    }
    if (budget.left === before) {
      budget.take(() => ({ key: name }));
    }
  }
  if (printed === 0 && budget.skipped === 0) {
    yield 'no entries\n';
  }
}

function isAllZero(region: Region): boolean {
  const [some] = pieces(region, { offset: 0, stride: 1 << 12, count: region.byteLength >> 12, from: 0, all: false });
  const rest = region.byteLength & 0xfff;
  return some === undefined && isZero(region.read(region.byteLength - rest, rest));
}

interface View {
  /** The entry's, as it is typed. */
  readonly key: string;
  readonly budget: Budget;
  readonly options: ViewOptions;
}

/** A value line by line: members by their paths, then each long array. */
function* placeText(codec: BtfCodec, region: Region, place: Place, view: View): Text {
  const places = outline(codec, place).filter((each) => !isEmpty(codec, each));
  if (places.length === 1 && places[0] === place && !isLong(codec, place)) {
    yield `${formatValue(decodeAt(codec, region, place), true)}\n`;
    return;
  }
  if (places.length === 1 && places[0] === place) {
    yield* longArray(
      codec,
      region,
      place,
      view.options.at === undefined ? 0 : (splitIndex(view.options.at)?.[1] ?? 0),
      view,
    );
    return;
  }
  const { at } = view.options;
  const [atArray, atIndex] = (at === undefined ? undefined : splitIndex(at)) ?? [undefined, 0];
  let reached = at === undefined;
  let lines: [string, string][] = [];
  for (const each of places) {
    if (isLong(codec, each)) {
      yield labelled(lines);
      lines = [];
      reached ||= each.path === atArray;
      if (reached) {
        yield `\n${each.path}: ${formatQuantity(lengthOf(codec, each), 'element')}\n`;
        yield* longArray(codec, region, each, each.path === atArray ? atIndex : 0, view);
      }
      if (view.budget.next !== undefined) {
        return;
      }
    } else if (reached) {
      const value = decodeAt(codec, region, each);
      if (view.options.all || !FILLER.test(each.name) || !isNothing(value)) {
        lines.push([relative(each, place), formatValue(value, true)]);
      }
    }
  }
  yield labelled(lines);
}

/** Without what was asked for. */
function relative({ path }: Place, { path: base }: Place): string {
  return path.startsWith(base) ? path.slice(base.length).replace(/^\./, '') : path;
}

function decodeAt(codec: BtfCodec, region: Region, place: Place): BtfValue {
  return codec.decode({ ...place, offset: 0 }, region.read(place.offset, codec.sizeOf(place)));
}

function labelled(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...lines.map(([label]) => label.length));
  return lines.map(([label, text]) => `${label.padEnd(width)}  ${text}\n`).join('');
}

function* longArray(codec: BtfCodec, region: Region, array: Place, from: number, view: View): Text {
  const length = lengthOf(codec, array);
  const element = codec.element(array, 0);
  const columns = columnsOf(codec, element);
  const isNumbers = columns.length === 1 && columns[0]!.numeric;
  const before = view.budget.skipped;
  const shown = isNumbers
    ? yield* numberLines(codec, region, array, length, from, view)
    : yield* elementTable(codec, region, array, length, from, view);
  if (view.budget.next === undefined && !view.options.all && shown < length - from) {
    // Counted here, and not once more at the end.
    view.budget.skipped = before;
    yield shown === 0 ? '  all zero\n' : `  the other ${formatQuantity(length - from - shown, 'element')}: all zero\n`;
  }
}

function lengthOf(codec: BtfCodec, array: Place): number {
  const type = codec.btf.resolve(array.type);
  return type.kind === 'array' ? type.length : 0;
}

/** Returns how many elements were shown. */
function* elementTable(
  codec: BtfCodec,
  region: Region,
  array: Place,
  length: number,
  from: number,
  view: View,
): Generator<string, number, undefined> {
  const first = codec.element(array, 0);
  const columns = columnsOf(codec, first);
  const table = new PagedTable(
    [{ title: 'INDEX', align: 'right' }],
    columns.length > MAX_COLUMNS ? undefined : columns,
    view.options.all,
  );
  const stride = codec.sizeOf(first);
  let shown = 0;
  for (const { index, bytes } of pieces(region, {
    offset: array.offset,
    stride,
    count: length,
    from,
    all: view.options.all,
  })) {
    if (!view.budget.take(() => ({ key: view.key, path: `${array.path}[${index}]` }))) {
      break;
    }
    shown += 1;
    table.add([String(index)], codec.decode({ ...first, offset: 0 }, bytes));
    yield table.page();
  }
  yield table.rest();
  return shown;
}

/** Returns how many elements were shown. */
function* numberLines(
  codec: BtfCodec,
  region: Region,
  array: Place,
  length: number,
  from: number,
  view: View,
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

/** The last line of an array can be a shorter one. */
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

/** Sixteen bytes a line, as hexdump has them; paths are offsets, "@4096". */
function* hexLines(region: Region, { key, budget, options: { all, at } }: View): Text {
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

/** A table that is printed in pieces, with columns for the members of a value. */
class PagedTable {
  /** Columns before the value's. */
  readonly lead: Column[];
  readonly #columns: readonly ValueColumn[] | undefined;
  readonly #all: boolean;
  #rows: { lead: readonly string[]; value: BtfValue }[] = [];
  #widths = new Map<string, number>();
  #titles = '';

  /** @param columns undefined: the value in one cell */
  constructor(lead: Column[], columns: readonly ValueColumn[] | undefined, all: boolean) {
    this.lead = lead;
    this.#columns = columns;
    this.#all = all;
  }

  get isEmpty(): boolean {
    return this.#titles === '';
  }

  add(lead: readonly string[], value: BtfValue): void {
    this.#rows.push({ lead, value });
  }

  /** What can be printed: a whole page or nothing. */
  page(): string {
    return this.#rows.length < PAGE ? '' : this.rest();
  }

  rest(): string {
    if (this.#rows.length === 0) {
      return '';
    }
    const columns = this.#shown();
    const cells = this.#rows.map(({ lead, value }) => [
      ...lead,
      ...columns.map(({ name }) => formatValue(name === '' ? value : memberOf(value, name), true)),
    ]);
    const layout = [
      ...this.lead,
      ...columns.map(({ name, numeric }): Column => ({
        title: name === '' ? 'VALUE' : name,
        ...(numeric && { align: 'right' }),
      })),
    ].map((column, i): Column => {
      const width = cells.reduce((most, row) => Math.max(most, row[i]!.length), this.#widths.get(column.title) ?? 0);
      this.#widths.set(column.title, width);
      return { ...column, width };
    });
    this.#rows = [];
    const text = formatTable(layout, cells);
    const titles = layout.map(({ title }) => title).join('\n');
    const body = titles === this.#titles ? text.slice(text.indexOf('\n') + 1) : text;
    this.#titles = titles;
    return body;
  }

  /** Without members that fill a gap, on pages where they are zero. */
  #shown(): readonly ValueColumn[] {
    const columns = this.#columns ?? [{ name: '', numeric: false }];
    const shown = columns.filter(
      ({ name }) =>
        this.#all || !FILLER.test(name) || this.#rows.some(({ value }) => !isNothing(memberOf(value, name))),
    );
    return shown.length === 0 ? columns : shown;
  }
}

function memberOf(value: BtfValue, name: string): BtfValue {
  return (value as BtfRecord)[name]!;
}
