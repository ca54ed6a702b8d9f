/** A table of values that is printed page by page, with a column for each member. */

import { type BtfRecord, type BtfValue, formatValue, isNothing, type ValueColumn } from '../../../inspect/index.js';
import { type Column, formatTable } from '../../terminal/format.js';

/** Rows whose columns are made equally wide. */
const PAGE = 200;
/** Members that fill a gap of a struct; they are not shown while they are zero. */
export const FILLER = /^(zero|reserved|unused|_*pad(ding)?)\d*$/;

export class PagedTable {
  /** The columns before those of the value. */
  readonly lead: Column[];
  readonly #columns: readonly ValueColumn[] | undefined;
  readonly #all: boolean;
  #rows: { lead: readonly string[]; value: BtfValue }[] = [];
  #widths = new Map<string, number>();
  #titles = '';

  /** @param columns undefined: one cell for the whole value @param all also show members that fill a gap */
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

  /** Returns the text of the rows so far if they make a page, else ''. */
  page(): string {
    return this.#rows.length < PAGE ? '' : this.rest();
  }

  /** Returns the text of all rows that are left. */
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

  /** Returns the columns, without gaps that are zero on this page. */
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
