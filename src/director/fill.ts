/** Tells when a flow table is full: once in the log for each time that it fills, and in the status while it lasts. */

import type { FlowStatistics } from '../dataplane/index.js';
import type { Logger } from './log.js';

/** What the program counted since the tables were made. */
interface Totals {
  readonly evicted: number;
  readonly refused: number;
}

const FAMILIES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;
type TableName = keyof typeof FAMILIES;

export class Fill {
  readonly #log: Logger;
  /** The totals when a table filled, by table. */
  readonly #since = new Map<TableName, Totals>();
  #problems: readonly string[] = [];

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The tables that are full, as text. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Notes the result of a sweep. */
  update(tables: FlowStatistics['tables'], totals: Totals): void {
    const names = Object.keys(FAMILIES) as TableName[];
    this.#problems = names.flatMap((name) => {
      const { most: entries, used, full } = tables[name];
      const family = FAMILIES[name];
      const before = this.#since.get(name);
      if (!full) {
        if (before !== undefined) {
          this.#since.delete(name);
          this.#log.info(
            { used, entries, ...difference(totals, before) },
            `the ${family} flow table is no longer full`,
          );
        }
        return [];
      }
      if (before === undefined) {
        this.#since.set(name, totals);
        this.#log.warn(
          { used, entries, ...totals },
          `${family} flow table full: flows that sent little give way to new ones and end sooner`,
        );
      }
      const { evicted, refused } = difference(totals, before ?? totals);
      return [
        `${family} flow table full: ${used} of ${entries} entries are in use; since then ${evicted} flows gave way and ` +
          `${refused} found no room. If this is no flood, raise "flows.${name}" in the configuration`,
      ];
    });
  }
}

function difference(now: Totals, before: Totals): Totals {
  return { evicted: now.evicted - before.evicted, refused: now.refused - before.refused };
}
