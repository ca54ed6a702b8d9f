/** Maps as text: a table of the entries, or each value line by line. */

import {
  columnsOf,
  formatHex,
  formatValue,
  hasLong,
  type InspectedMap,
  isZero,
  pieces,
  type Place,
  type Region,
  sum,
  type Typed,
} from '../../../inspect/index.js';
import { MAX_COLUMNS } from './arrays.js';
import { hexLines } from './lines.js';
import { PagedTable } from './paged-table.js';
import { labelled, placeText } from './place-text.js';
import type { Budget, Text, ViewOptions } from './view.js';

/** Values without BTF up to this length stand in a table. */
const SHORT_HEX = 32;

/** Prints all entries of a map. @param from the first key @param note returns a note on a key */
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

/** Returns whether values are shown line by line: sections of variables, and values with long arrays or many members. */
function isSpacious({ codec, whole }: Typed): boolean {
  return (
    codec.btf.resolve(whole.type).kind === 'section' ||
    hasLong(codec, whole) ||
    columnsOf(codec, whole).length > MAX_COLUMNS
  );
}

/** Prints one value, or a part of it. */
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

/** Prints a row for each entry. */
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

/** Prints each value line by line, below its key. */
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
    // The parts of a value count against the limit; a value without such parts counts as one.
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
