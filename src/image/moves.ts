/** Moved slots: what the previous owners of a service's slots are now, so that a change breaks no flow (ADR 12). */

import { isHashing } from '../model/index.js';
import type { History, Windows } from './epoch.js';
import { keepsFlows } from './held.js';
import { type CompiledService, SLOT_MARKED, SLOT_UNMOVED } from './image.js';
import { NO_OWNER, replay, type SlotStates } from './replay.js';
import type { Ring } from './ring.js';

/** The moved slots of a service at one time. The same history gives the same at the same time, in any process. */
export interface Moves {
  /** Undefined if no slot is moved. */
  readonly previous: Uint16Array | undefined;
  /** The ring that goes with it: unchanged, or with as many slots as an earlier one had. */
  readonly ring: Ring | undefined;
  /** When the first slot's previous owner will be forgotten; Infinity: never. */
  readonly until: number;
  /** The history without the epochs that no longer matter; the same object if all do. */
  readonly history: History;
}

/**
 * Returns the moved slots of a service.
 *
 * @param occupied by slot, whether a flow is remembered that falls on it; undefined if that is not known
 */
export function movesOf(
  history: History,
  compiled: CompiledService,
  windows: Windows,
  now: number,
  occupied: Uint8Array | undefined,
): Moves {
  const last = history.at(-1)!;
  if (history.length === 1 && !last.marks) {
    return { previous: undefined, ring: compiled.ring, until: Infinity, history };
  }
  const { from, ends, ...moves } = evaluate(history, compiled, windows, now, occupied);
  if (from === 0) {
    return { ...moves, history };
  }
  const rest = from < history.length ? history.slice(from) : [last.marks ? { ...last, marks: false } : last];
  // An epoch that is dropped can have hidden a later move. If the rest alone says something else, everything stays.
  const without = evaluate(rest, compiled, windows, now, occupied);
  const isSame =
    sameSlots(moves.previous, without.previous) &&
    (moves.previous ?? []).every((value, slot) => value >= SLOT_MARKED || without.ends[slot]! >= ends[slot]!);
  return { ...moves, history: isSame ? rest : history };
}

interface Evaluation extends Omit<Moves, 'history'> {
  /** When each slot loses its previous owner. */
  readonly ends: Float64Array;
  /** The first epoch that matters, or the number of epochs if none does. */
  readonly from: number;
}

function evaluate(
  history: History,
  compiled: CompiledService,
  windows: Windows,
  now: number,
  occupied: Uint8Array | undefined,
): Evaluation {
  const states = replay(history, windows, now);
  const { length } = states.previous;
  const { tracks } = compiled;
  const previousOf = previousIndices(states, compiled);
  let until = Infinity;
  // Without slots nothing can be said yet; and the length of the next window may depend on an earlier epoch.
  let from = length === 0 || (tracks && states.silentUntil > now) ? 0 : history.length;
  let isMoved = false;
  const previous = new Uint16Array(length).fill(SLOT_UNMOVED);
  for (let slot = 0; slot < length; slot += 1) {
    const index = previousOf(slot);
    if (index !== undefined) {
      previous[slot] = index;
      until = Math.min(until, states.until[slot]!);
    } else if (!tracks && states.marked[slot] === 1 && (occupied?.length !== length || occupied[slot] === 1)) {
      // A service that remembers every flow looks each of them up anyway.
      previous[slot] = SLOT_MARKED;
    } else {
      continue;
    }
    from = Math.min(from, states.from[slot]!);
    isMoved = true;
  }
  const slots = isMoved ? stretchRing(compiled.ring, previous) : { previous: undefined, ring: compiled.ring };
  return { ...slots, until, ends: states.until, from };
}

/** Returns a function from a slot to the index of its previous owner; undefined if that can get no packets. */
function previousIndices(
  { addresses, previous }: SlotStates,
  compiled: CompiledService,
): (slot: number) => number | undefined {
  const indices = new Map(compiled.destinations.map(({ address }, i) => [address, i]));
  const indexOf = addresses.map((address) => {
    const index = indices.get(address);
    return index !== undefined && keepsFlows(compiled, index) ? index : undefined;
  });
  return (slot) => {
    const owner = previous[slot]!;
    return owner === NO_OWNER ? undefined : indexOf[owner];
  };
}

/** Gives the ring as many slots as `previous` has. */
function stretchRing(ring: Ring | undefined, previous: Uint16Array): Pick<Moves, 'previous' | 'ring'> {
  const { length } = previous;
  if (ring === undefined) {
    // No destination takes new flows: each slot leads to one of weight 0, to which the program sends none.
    return {
      previous: previous.map((value) => (value === SLOT_UNMOVED ? SLOT_MARKED : value)),
      ring: new Uint16Array(length),
    };
  }
  return {
    previous,
    ring: ring.length === length ? ring : previous.map((_, slot) => ring[((slot * ring.length) / length) >>> 0]!),
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

export function sameSlots(a: Uint16Array | undefined, b: Uint16Array | undefined): boolean {
  // By the bytes: a million numbers one by one take some ten milliseconds.
  return a === b || (a !== undefined && b !== undefined && bytesOf(a).equals(bytesOf(b)));
}

/** Returns whether the packets of a service's flows fall on slots, so that it matters if these move. */
export function canMove({ service }: CompiledService): boolean {
  return isHashing(service.scheduler) && service.onePacket !== true;
}
