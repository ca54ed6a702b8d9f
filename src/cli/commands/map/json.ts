/** Maps as JSON, piece by piece. Long arrays are objects of the elements that are not zero, by index; lists with --all. */

import {
  type BtfCodec,
  formatHex,
  type InspectedMap,
  isLong,
  isZero,
  pieces,
  type Place,
  type Region,
  sum,
  toJson,
} from '../../../inspect/index.js';
import { type Budget, splitIndex, type Text, type ViewOptions } from './view.js';

/** Prints a list of `{ "key": …, "value": … }`, or `"values"` by CPU if each CPU's value is shown. */
export function* dumpJson(map: InspectedMap, budget: Budget, options: ViewOptions, from: Uint8Array | undefined): Text {
  const sparse = map.kind.keys === 'index' && !options.all;
  let at = options.at;
  let printed = 0;
  for (const { key, region } of map.entries(from)) {
    if (sparse && region.byteLength <= SMALL_BYTES && isZero(region.read(0, region.byteLength))) {
      continue;
    }
    const name = map.formatKey(key);
    // The parts of a value count against the limit; a value without such parts counts as one.
    const before = budget.left;
    if (before === 0) {
      budget.take(() => ({ key: name }));
      break;
    }
    yield `${printed === 0 ? '[\n' : ',\n'}{"key":${toJson(map.decodeKey(key))},`;
    printed += 1;
    const view = { ...options, at };
    yield `"${map.showsCpus(view.perCpu) ? 'values' : 'value'}":`;
    yield* valueJson(map, name, region, undefined, budget, view);
    yield '}';
    at = undefined;
    if (budget.next !== undefined) {
      break;
    }
    if (budget.left === before) {
      budget.take(() => ({ key: name }));
    }
  }
  yield printed === 0 ? '[]\n' : '\n]\n';
}

/** Larger values are not searched for a byte that is not zero: that would take too long. */
const SMALL_BYTES = 1 << 16;

/** Prints one value, or a part of it. */
export function* valueJson(
  map: InspectedMap,
  key: string,
  region: Region,
  path: Place | undefined,
  budget: Budget,
  options: ViewOptions,
): Text {
  const place = path ?? map.value?.whole;
  if (map.value === undefined || place === undefined) {
    yield* hexJson(map, region);
    return;
  }
  const { codec } = map.value;
  if (map.kind.perCpu === true) {
    const values = map.decodeCpus(region, place);
    yield toJson(map.showsCpus(options.perCpu, place) ? values : sum(values));
    return;
  }
  yield* placeJson(codec, region, place, { key, budget, options, reached: options.at === undefined });
}

interface View {
  readonly key: string;
  readonly budget: Budget;
  readonly options: ViewOptions;
  /** Whether the element of --at was reached. */
  reached: boolean;
}

function* placeJson(codec: BtfCodec, region: Region, place: Place, view: View): Text {
  if (isLong(codec, place)) {
    yield* longJson(codec, region, place, view);
    return;
  }
  const members = codec.isWhole(place) ? [] : codec.members(place);
  if (members.length === 0) {
    yield toJson(codec.decode({ ...place, offset: 0 }, region.read(place.offset, codec.sizeOf(place))));
    return;
  }
  yield '{';
  for (const [i, member] of members.entries()) {
    yield `${i === 0 ? '' : ','}${JSON.stringify(member.name)}:`;
    yield* placeJson(codec, region, member, view);
  }
  yield '}';
}

function* longJson(codec: BtfCodec, region: Region, array: Place, view: View): Text {
  const { key, budget, options } = view;
  const type = codec.btf.resolve(array.type);
  const length = type.kind === 'array' ? type.length : 0;
  const element = codec.element(array, 0);
  const [atArray, atIndex] = (options.at === undefined ? undefined : splitIndex(options.at)) ?? [undefined, 0];
  // A list that began at another element would have wrong indices.
  const list = options.all && options.at === undefined;
  const from = atArray === array.path ? atIndex : 0;
  view.reached ||= atArray === array.path;
  let printed = 0;
  yield list ? '[' : '{';
  for (const { index, bytes } of pieces(region, {
    offset: array.offset,
    stride: codec.sizeOf(element),
    count: budget.next === undefined && view.reached ? length : 0,
    from,
    all: options.all,
  })) {
    if (!budget.take(() => ({ key, path: `${array.path}[${index}]` }))) {
      break;
    }
    const value = toJson(codec.decode({ ...element, offset: 0 }, bytes));
    yield `${printed === 0 ? '' : ','}${list ? '' : `"${index}":`}${value}`;
    printed += 1;
  }
  yield list ? ']' : '}';
}

/** Bytes that are printed at once. */
const CHUNK_BYTES = 1 << 16;

function* hexJson(map: InspectedMap, region: Region): Text {
  const text = (offset: number, length: number): string => formatHex(region.read(offset, length)).replaceAll(' ', '');
  if (map.kind.perCpu === true) {
    const values = Array.from({ length: map.cpus }, (_, cpu) => text(cpu * map.cpuStride, map.info.valueSize));
    yield toJson(values);
    return;
  }
  yield '"';
  for (let offset = 0; offset < region.byteLength; offset += CHUNK_BYTES) {
    yield text(offset, Math.min(CHUNK_BYTES, region.byteLength - offset));
  }
  yield '"';
}
