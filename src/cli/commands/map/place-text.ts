/** One value line by line: its members by their paths, then each long array. */

import {
  type BtfCodec,
  type BtfValue,
  formatValue,
  isEmpty,
  isLong,
  isNothing,
  outline,
  type Place,
  type Region,
} from '../../../inspect/index.js';
import { formatQuantity } from '../../terminal/format.js';
import { lengthOf, longArray } from './arrays.js';
import { FILLER } from './paged-table.js';
import { splitIndex, type Text, type TextView } from './view.js';

export function* placeText(codec: BtfCodec, region: Region, place: Place, view: TextView): Text {
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

/** Returns the path of a place below another. */
function relative({ path }: Place, { path: base }: Place): string {
  return path.startsWith(base) ? path.slice(base.length).replace(/^\./, '') : path;
}

function decodeAt(codec: BtfCodec, region: Region, place: Place): BtfValue {
  return codec.decode({ ...place, offset: 0 }, region.read(place.offset, codec.sizeOf(place)));
}

/** Prints lines of a label and a text, the texts in one column. */
export function labelled(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...lines.map(([label]) => label.length));
  return lines.map(([label, text]) => `${label.padEnd(width)}  ${text}\n`).join('');
}
