/** The state that the program's schedulers keep: each destination's load and thresholds, each service's cursor. */

import type { DestinationNumber, ServiceNumber } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import type { MapMemory } from './memory.js';

/** Reads how many flows each destination has, as the program counts them: 32-bit words of struct load. */
export function readLoads(memory: MapMemory, count: number): Uint32Array {
  return new Uint32Array(memory.read('loads', 0, 0, count * layout.load.byteLength).buffer);
}

/** How many flows a destination may have; 0: no limit. */
export interface Thresholds {
  readonly upper: number;
  readonly lower: number;
}

/** Sets which new flows a destination takes. @param quiesced none: its weight is 0, or it is held */
export function setLimits(
  memory: MapMemory,
  number: DestinationNumber,
  quiesced: boolean,
  { upper, lower }: Thresholds,
): void {
  const loads = memory.mapping('loads');
  const at = number * layout.load.byteLength;
  loads.store32(at + layout.load.quiesced.offset, Number(quiesced));
  if (loads.load32(at + layout.load.upper.offset) === upper && loads.load32(at + layout.load.lower.offset) === lower) {
    return;
  }
  loads.store32(at + layout.load.upper.offset, upper);
  loads.store32(at + layout.load.lower.offset, lower);
  // The next flow above the threshold sets it again.
  loads.store32(at + layout.load.overload.offset, 0);
}

/** The state of a service's scheduler. */
export interface Cursor {
  /** The number of flows that it scheduled. */
  readonly count: bigint;
  /** The number of the destination that lblc has in use. */
  readonly cached: number;
}

export function readCursor(memory: MapMemory, service: ServiceNumber): Cursor {
  const { byteLength, count, cached } = layout.cursor;
  const bytes = memory.read('cursors', 0, service * byteLength, byteLength);
  const view = new DataView(bytes.buffer);
  return { count: view.getBigUint64(count.offset, true), cached: view.getUint32(cached.offset, true) };
}

/** Copies the load of a destination from other maps. */
export function carryLoad(from: MapMemory, to: MapMemory, number: DestinationNumber): void {
  const { byteLength, flows, overload, member } = layout.load;
  for (const { offset, size } of [flows, overload, member]) {
    const at = number * byteLength + offset;
    to.write('loads', 0, at, from.read('loads', 0, at, size));
  }
}

/** Copies the state of a service's scheduler from other maps. */
export function carryCursor(from: MapMemory, to: MapMemory, service: ServiceNumber): void {
  const { byteLength } = layout.cursor;
  const at = service * byteLength;
  to.write('cursors', 0, at, from.read('cursors', 0, at, byteLength));
}
