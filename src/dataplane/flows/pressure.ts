/** Pressure: while a flow table is nearly full, flows for which little speaks end sooner. */

import * as layout from '../../layout/index.js';
import type { FlowState } from '../../layout/index.js';
import { unitsOf } from './clock.js';

export type TableName = 'ipv4' | 'ipv6';

/** A table that cannot grow counts as full from this share of used entries on, until the share is below the other. */
const FULL = 0.9;
const RELIEVED = 0.7;

/**
 * The longest timeouts under pressure, in seconds. A flow that lasts keeps its own: that it sent twice, with time between,
 * is more than most floods do.
 */
const SHORTENED: Partial<Record<FlowState, number>> = {
  'syn-recv': 10,
  'udp-new': 10,
  'time-wait': 10,
  unconfirmed: 60,
  udp: 60,
  'fin-wait': 60,
  'template-new': 60,
  template: 60,
  established: 300,
};

export class Pressure {
  readonly #full: Record<TableName, boolean> = { ipv4: false, ipv6: false };

  /** Notes how full the tables are. */
  update(tables: Readonly<Record<TableName, { readonly most: number; readonly used: number }>>): void {
    for (const name of ['ipv4', 'ipv6'] as const) {
      const { most, used } = tables[name];
      this.#full[name] = used >= most * (this.#full[name] ? RELIEVED : FULL);
    }
  }

  isFull(name: TableName): boolean {
    return this.#full[name];
  }

  /** Returns the timeout in seconds that holds at present for a flow of a table. */
  shortenOne(seconds: number, state: FlowState, name: TableName): number {
    return this.#full[name] ? Math.min(seconds, SHORTENED[state] ?? Infinity) : seconds;
  }

  /**
   * Returns the timeouts that hold at present.
   *
   * @param units timeouts by state, or several such rows
   * @param names the tables that they are for
   */
  shorten(units: Uint32Array<ArrayBuffer>, ...names: readonly TableName[]): Uint32Array<ArrayBuffer> {
    if (!names.some((name) => this.#full[name])) {
      return units;
    }
    const most = new Uint32Array(layout.FLOW_STATES).fill(0xffff_ffff);
    for (const [state, seconds] of Object.entries(SHORTENED)) {
      most[layout.flowState[state as FlowState]] = unitsOf(seconds);
    }
    return units.map((each, i) => Math.min(each, most[i % layout.FLOW_STATES]!));
  }
}
