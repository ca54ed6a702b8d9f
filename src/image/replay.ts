/** Replays a history: which slots of a service's ring moved, from whom, and until when that matters. */

import type { IpAddress } from '../model/index.js';
import type { Epoch, History, Windows } from './epoch.js';
import { NOBODY, ownersOf } from './owners.js';

/** The state of a service's slots after a history. Real servers are indices into `addresses`, or NO_OWNER. */
export interface SlotStates {
  readonly addresses: readonly IpAddress[];
  readonly previous: Int32Array;
  /** When each slot loses its `previous`. */
  readonly until: Float64Array;
  /** Whether some of the slot's flows are remembered, or were. */
  readonly marked: Uint8Array;
  /** The first epoch that matters to the slot. */
  readonly from: Int32Array;
  /** The time until which flows may exist from an epoch that did not remember all of them. */
  readonly silentUntil: number;
}

export const NO_OWNER = -1;

/** A replay up to the last epoch of `history`, from which a longer history goes on. */
interface Replay {
  readonly history: History;
  readonly windows: Windows;
  readonly numbers: Map<IpAddress, number>;
  readonly owner: Int32Array;
  readonly previous: Int32Array;
  readonly until: Float64Array;
  readonly marked: Uint8Array;
  readonly from: Int32Array;
  silentUntil: number;
}

/**
 * The last replay of each history, by its first epoch. A change adds one epoch: with a million slots the replay of all of them
 * would take half a second, that of one takes some milliseconds.
 */
const replays = new WeakMap<Epoch, Replay>();

/** Replays a history up to a time. */
export function replay(history: History, windows: Windows, now: number): SlotStates {
  const last = replays.get(history[0]!);
  const done = last !== undefined && goesOn(last, history, windows) ? last : begin(history, windows);
  for (let i = done.history.length; i < history.length; i += 1) {
    step(done, history, i);
  }
  replays.set(history[0]!, { ...done, history });
  const { numbers, until, marked, from, silentUntil } = done;
  const previous = done.previous.slice();
  for (let slot = 0; slot < previous.length; slot += 1) {
    if (now >= until[slot]!) {
      previous[slot] = NO_OWNER;
    }
  }
  return { addresses: [...numbers.keys()], previous, until, marked, from, silentUntil };
}

/** Returns whether a history continues one that was replayed, in rings that are no larger. */
function goesOn(last: Replay, history: History, { handshake, silence }: Windows): boolean {
  return (
    last.windows.handshake === handshake &&
    last.windows.silence === silence &&
    last.history.length <= history.length &&
    last.history.every((epoch, i) => epoch === history[i]) &&
    history.slice(last.history.length).every((epoch) => ownersOf(epoch).length <= last.owner.length)
  );
}

function begin(history: History, windows: Windows): Replay {
  const length = history.reduce((most, epoch) => Math.max(most, ownersOf(epoch).length), 0);
  const numbers = new Map<IpAddress, number>();
  const [first] = history;
  return {
    history: history.slice(0, 1),
    windows,
    numbers,
    owner: numberedOwners(first!, numbers, length),
    previous: new Int32Array(length).fill(NO_OWNER),
    until: new Float64Array(length),
    marked: new Uint8Array(length).fill(Number(first!.marks)),
    from: new Int32Array(length),
    silentUntil: 0,
  };
}

/** Goes from epoch `i - 1` to the next one. */
function step(state: Replay, history: History, i: number): void {
  const { numbers, owner, previous, until, marked, from, windows } = state;
  const { at, gone, marks } = history[i]!;
  const next = numberedOwners(history[i]!, numbers, owner.length);
  const isDead = new Uint8Array(numbers.size);
  for (const number of gone.map((address) => numbers.get(address))) {
    if (number !== undefined) {
      isDead[number] = 1;
    }
  }
  if (!history[i - 1]!.tracks) {
    state.silentUntil = at + windows.silence;
  }
  const end = Math.max(at + windows.handshake, state.silentUntil);
  for (let slot = 0; slot < owner.length; slot += 1) {
    const before = previous[slot]!;
    if (before !== NO_OWNER && (isDead[before] === 1 || at >= until[slot]!)) {
      previous[slot] = NO_OWNER;
    }
    if (marks) {
      marked[slot] = 1;
      from[slot] = previous[slot] === NO_OWNER ? i : from[slot]!;
    }
    const old = owner[slot]!;
    if (old === next[slot]) {
      continue;
    }
    // A flow without an entry began before the first change: the oldest owner stays the previous one.
    if (old !== NO_OWNER && isDead[old] === 0 && previous[slot] === NO_OWNER) {
      previous[slot] = old;
      until[slot] = end;
      marked[slot] = 1;
      from[slot] = i - 1;
    }
    owner[slot] = next[slot]!;
  }
}

/**
 * Returns the owner of each slot, by `numbers`; members that have no number get one.
 *
 * @param length as many slots as the largest ring of the history has
 */
function numberedOwners(epoch: Epoch, numbers: Map<IpAddress, number>, length: number): Int32Array {
  const numberOf = Int32Array.from(epoch.members, ([address]) => {
    const number = numbers.get(address) ?? numbers.size;
    numbers.set(address, number);
    return number;
  });
  const owners = ownersOf(epoch);
  const result = new Int32Array(length).fill(NO_OWNER);
  for (let slot = 0; slot < length && owners.length > 0; slot += 1) {
    const owner = owners[((slot * owners.length) / length) | 0]!;
    result[slot] = owner === NOBODY ? NO_OWNER : numberOf[owner]!;
  }
  return result;
}
