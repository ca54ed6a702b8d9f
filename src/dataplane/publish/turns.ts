/** Turns of sequences: after a change, the turn is where IPVS has it. */

import {
  askedAdded,
  askedAfter,
  askedAt,
  askedFirst,
  type CompiledService,
  roundBegin,
  sameSlots,
  type ServiceNumbers,
} from '../../image/index.js';
import type { IpAddress } from '../../model/index.js';
import { readCursor } from '../maps/loads.js';
import type { MapMemory } from '../maps/memory.js';

/** The state of a scheduler when its sequence was last written. */
export interface Turn {
  readonly compiled: CompiledService;
  readonly base: number;
  /** How many flows had been scheduled. */
  readonly count: bigint;
  /** rr: the destination that had the last turn; undefined: the next turn is the first one's. */
  readonly last: IpAddress | undefined;
  /** wrr: the weight that is asked for. */
  readonly asked: number;
}

/**
 * Returns the number to add to the count of a service's flows, so that the right destination has the next turn: under rr
 * the one after the last that had it, under wrr the first of those that have the weight that is asked for.
 *
 * @param memory has the count
 * @param turns by service name; the result is added
 */
export function sequenceBase(
  memory: MapMemory,
  compiled: CompiledService,
  { number }: ServiceNumbers,
  turns: Map<string, Turn>,
): number {
  const known = turns.get(compiled.name);
  const before = known?.compiled.service.scheduler === compiled.service.scheduler ? known : undefined;
  if (before !== undefined && isSameSequence(before.compiled, compiled)) {
    turns.set(compiled.name, { ...before, compiled });
    return before.base;
  }
  const length = compiled.ring?.length ?? 0;
  const { count } = readCursor(memory, number);
  const { next, last, asked } = nextTurn(before, compiled, count, known?.compiled);
  const base = length === 0 ? 0 : Number((BigInt(next) - count) % BigInt(length)) + length;
  turns.set(compiled.name, { compiled, base, count, last, asked });
  return base;
}

function isSameSequence(a: CompiledService, b: CompiledService): boolean {
  return (
    sameSlots(a.ring, b.ring) &&
    a.destinations.length === b.destinations.length &&
    a.destinations.every(({ address, weight }, i) => {
      const other = b.destinations[i]!;
      return address === other.address && weight === other.weight;
    })
  );
}

type NextTurn = Pick<Turn, 'last' | 'asked'> & { readonly next: number };

/** @param other the service as it was, if it had another scheduler: that ends before the real servers change */
function nextTurn(
  before: Turn | undefined,
  compiled: CompiledService,
  count: bigint,
  other: CompiledService | undefined,
): NextTurn {
  switch (compiled.service.scheduler) {
    case 'rr': {
      const last = before && lastIn(before, compiled, count);
      return { next: turnAfter(last, compiled), last, asked: 0 };
    }
    case 'wrr': {
      const weights = weightsIn(compiled);
      const asked =
        before !== undefined
          ? askedAfter(lastAsked(before, count), weights)
          : other !== undefined
            ? askedAfter(askedFirst(weightsIn(other)), weights)
            : askedAdded(weights);
      return { next: roundBegin(weights, asked), last: undefined, asked };
    }
    default:
      return { next: 0, last: undefined, asked: 0 };
  }
}

/** Returns the place in the sequence of the last flow; undefined if there was none since it was written. */
function lastPlace({ compiled: { ring }, base, count: then }: Turn, count: bigint): number | undefined {
  return ring === undefined || count === then ? undefined : Number((count - 1n + BigInt(base)) % BigInt(ring.length));
}

/**
 * Returns the destination that had the last turn; if it is gone, the one before it in the list, as ip_vs_rr_del_dest()
 * does. Undefined: the head of the list.
 */
function lastIn(turn: Turn, now: CompiledService, count: bigint): IpAddress | undefined {
  const { compiled: old } = turn;
  const place = lastPlace(turn, count);
  const last = place === undefined ? turn.last : old.destinations[old.ring![place]!]!.address;
  const index = old.destinations.findIndex(({ address }) => address === last);
  const there = new Set(now.destinations.map(({ address }) => address));
  return old.destinations.slice(0, index + 1).findLast(({ address }) => there.has(address))?.address;
}

/** Returns the turn of the first destination in the list after another. New ones stand at the list's head. */
function turnAfter(last: IpAddress | undefined, { ring, destinations }: CompiledService): number {
  const place = destinations.findIndex(({ address }) => address === last);
  const turn = ring?.findIndex((index) => index > place) ?? 0;
  return Math.max(0, turn);
}

function lastAsked(turn: Turn, count: bigint): number {
  const place = lastPlace(turn, count);
  return place === undefined ? turn.asked : askedAt(weightsIn(turn.compiled), place);
}

/** Returns the weights that the sequence was made of. */
function weightsIn({ destinations, routes }: CompiledService): number[] {
  return destinations.filter(({ weight }, i) => weight > 0 && routes[i]!.action !== 'none').map(({ weight }) => weight);
}
