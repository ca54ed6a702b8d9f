/** Turns of sequences: after a change, the turn is where IPVS has it. */

import type { CompiledService, ServiceNumbers } from '../../image/index.js';
import { readCursor } from '../maps/loads.js';
import type { MapMemory } from '../maps/memory.js';

/** The place of a service's sequence as it was last written. */
export interface Turn {
  readonly compiled: CompiledService;
  readonly base: number;
}

/**
 * Returns the number to add to the count of a service's flows, so that the right destination has the next turn: under rr
 * the one after the last that had it, under wrr the first.
 *
 * @param turns by service name; the result is added
 */
export function sequenceBase(
  memory: MapMemory,
  compiled: CompiledService,
  { number }: ServiceNumbers,
  turns: Map<string, Turn>,
): number {
  const { name, ring, service } = compiled;
  const before = turns.get(name);
  if (before !== undefined && before.compiled.ring === ring) {
    return before.base;
  }
  const length = ring?.length ?? 0;
  const { count } = readCursor(memory, number);
  const next = service.scheduler === 'rr' && before !== undefined ? nextTurn(before, compiled, count) : 0;
  const base = length === 0 ? 0 : Number((BigInt(next) - count) % BigInt(length)) + length;
  turns.set(name, { compiled, base });
  return base;
}

/** Returns the turn of the first destination that is still there of those whose turn it would have been. */
function nextTurn({ compiled: old, base }: Turn, { ring, destinations }: CompiledService, count: bigint): number {
  const before = old.ring;
  if (before === undefined || ring === undefined) {
    return 0;
  }
  const turnOf = (place: number): number =>
    ring.findIndex((index) => destinations[index]!.address === old.destinations[before[place]!]!.address);
  const places = before.length;
  const due = Number((count + BigInt(base)) % BigInt(places));
  const place = Array.from({ length: places }, (_, i) => (due + i) % places).find((each) => turnOf(each) >= 0);
  return place === undefined ? 0 : turnOf(place);
}
