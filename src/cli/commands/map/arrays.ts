/** Long arrays as text: a table of their elements, or lines of numbers. */

import { type BtfCodec, columnsOf, pieces, type Place, type Region } from '../../../inspect/index.js';
import { formatQuantity } from '../../terminal/format.js';
import { numberLines } from './lines.js';
import { PagedTable } from './paged-table.js';
import type { Text, TextView } from './view.js';

/** Structs with more members are shown line by line. */
export const MAX_COLUMNS = 11;

/** @param from the first element to show */
export function* longArray(codec: BtfCodec, region: Region, array: Place, from: number, view: TextView): Text {
  const length = lengthOf(codec, array);
  const element = codec.element(array, 0);
  const columns = columnsOf(codec, element);
  const isNumbers = columns.length === 1 && columns[0]!.numeric;
  const before = view.budget.skipped;
  const shown = isNumbers
    ? yield* numberLines(codec, region, array, length, from, view)
    : yield* elementTable(codec, region, array, length, from, view);
  if (view.budget.next === undefined && !view.options.all && shown < length - from) {
    // The line below counts them: the notes at the end must not do so again.
    view.budget.skipped = before;
    yield shown === 0 ? '  all zero\n' : `  the other ${formatQuantity(length - from - shown, 'element')}: all zero\n`;
  }
}

/** @returns how many elements were shown */
function* elementTable(
  codec: BtfCodec,
  region: Region,
  array: Place,
  length: number,
  from: number,
  view: TextView,
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

export function lengthOf(codec: BtfCodec, array: Place): number {
  const type = codec.btf.resolve(array.type);
  return type.kind === 'array' ? type.length : 0;
}
