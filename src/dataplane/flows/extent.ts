/** The extents of the flow tables: how much of each is in use, which grows and shrinks with its flows. */

import type { Family } from '../../model/index.js';
import { addon } from '../../native/index.js';
import { extentsAt, FIRST_EXTENT } from '../maps/control.js';
import type { MapSet } from '../maps/map-set.js';
import type { TableStatistics } from './sweep.js';

/**
 * The share of used entries at which a table grows. In buckets of eight entries flows rarely find no room below it; in
 * IPv6's, of four, they do from somewhere between a fifth and a half on (simulated).
 */
const FULL_SHARE: Readonly<Record<Family, number>> = { 4: 1 / 2, 6: 1 / 4 };

/** An extent shrinks when it stayed four times emptier than that, to where it is half as full: it does not go to and fro. */
const IDLE_PART = 1 / 4;
const SHRUNK_PART = 1 / 2;
const IDLE_MS = 60_000;

/** The share of a table that flows may fill which do not come by packets. */
const MOST_ADDED = 0.9;

type Fill = Pick<TableStatistics, 'entries' | 'most' | 'used'>;

/**
 * Returns how many entries a family's table should have: twice as many while more than half are in use, or a quarter of
 * IPv6's.
 *
 * @param idle whether few were in use for a while
 */
export function wantedExtent(family: Family, { entries, most, used }: Fill, idle: boolean): number {
  let wanted = entries;
  while (used > wanted * FULL_SHARE[family] && wanted < most) {
    wanted *= 2;
  }
  while (idle && wanted > FIRST_EXTENT && used <= (wanted / 2) * FULL_SHARE[family] * SHRUNK_PART) {
    wanted /= 2;
  }
  return Math.min(wanted, most);
}

/** Follows how full the tables are. */
export class Extents {
  /** Since when few entries of a table were in use; undefined: more are. */
  readonly #idleSince: Record<4 | 6, number | undefined> = { 4: undefined, 6: undefined };
  /** At the last look: how many more flows a table takes until it grows, and how many had been stored. */
  #free: Record<4 | 6, number> = { 4: 0, 6: 0 };
  #stored = 0;
  /** How many entries were in use at the last look, and what came since beside packets. */
  readonly #used: Record<4 | 6, number> = { 4: 0, 6: 0 };

  /**
   * Whether a table may be more than half full since the last look, or a packet gave it another extent.
   *
   * @param stored how many flows were stored since the tables were made
   */
  isDue(set: MapSet, stored: number): boolean {
    return ([4, 6] as const).some((family) => {
      const { present, former } = set.control.flowExtents(family);
      const canGrow = present < set.geometry[`flows${family}`];
      return present !== former || (canGrow && stored - this.#stored > this.#free[family]);
    });
  }

  /**
   * Gives the tables the extents that their flows need, and moves the flows: packets find them meanwhile.
   *
   * @param current returns the maps in use: others may take their place meanwhile
   * @param tables as they were at a look that began when `stored` flows had been stored
   * @param gracePeriod waits until no packet under way has read an extent from before
   */
  async follow(
    current: () => MapSet | undefined,
    tables: Readonly<Record<'ipv4' | 'ipv6', Fill>>,
    stored: number,
    gracePeriod: () => Promise<unknown>,
  ): Promise<void> {
    this.#stored = stored;
    const now = performance.now();
    const control = current()?.control;
    if (control === undefined) {
      return;
    }
    for (const family of [4, 6] as const) {
      const fill = { ...tables[`ipv${family}`], entries: control.flowExtents(family).present };
      this.#used[family] = fill.used;
      this.#idleSince[family] =
        fill.used < fill.entries * FULL_SHARE[family] * IDLE_PART ? (this.#idleSince[family] ?? now) : undefined;
      const since = this.#idleSince[family];
      const wanted = wantedExtent(family, fill, since !== undefined && now - since >= IDLE_MS);
      this.#free[family] = wanted * FULL_SHARE[family] - fill.used;
      if (wanted !== fill.entries) {
        control.resizeFlows(family, wanted);
      }
    }
    if (isMoving(current(), 4) || isMoving(current(), 6)) {
      await gracePeriod();
      await moveFlows(current);
    }
  }

  /**
   * Gives a table the extent for more flows, which do not come by packets. Resolves to how many of them may come: they fill
   * no table.
   */
  async makeRoom(
    current: () => MapSet | undefined,
    family: Family,
    more: number,
    gracePeriod: () => Promise<unknown>,
  ): Promise<number> {
    const set = current();
    if (set === undefined) {
      return 0;
    }
    const most = set.geometry[`flows${family}`];
    const room = Math.max(0, Math.floor(most * MOST_ADDED) - this.#used[family]);
    const { present } = set.control.flowExtents(family);
    const used = this.#used[family] + Math.min(more, room);
    const wanted = wantedExtent(family, { entries: present, most, used }, false);
    if (wanted > present && set.control.resizeFlows(family, wanted)) {
      await gracePeriod();
      await moveFlows(current);
    }
    return room;
  }

  /** Notes that flows came beside packets. */
  noteAdded(family: Family, added: number): void {
    this.#used[family] += added;
  }
}

/** Moves flows to the present extents, from those before. Those that find no room stay, and are found there. */
export async function moveFlows(current: () => MapSet | undefined): Promise<void> {
  for (const family of [4, 6] as const) {
    const set = current();
    if (set !== undefined && isMoving(set, family)) {
      await addon.moveFlows({
        flows: set.memory.mapping(`flows${family}`).native,
        family,
        secret: set.control.hashSecret,
        control: set.memory.mapping('control').native,
        offset: extentsAt(family),
      });
    }
  }
}

function isMoving(set: MapSet | undefined, family: Family): boolean {
  const extents = set?.control.flowExtents(family);
  return extents?.present !== extents?.former;
}
