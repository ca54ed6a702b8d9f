/**
 * What changes of the real servers leave of a ring's slots, so that no flow is torn from its real server: which slots
 * moved, and from whom. Pure: the same history says the same at the same time, in whatever process.
 */

import {
  hashesPort,
  type IpAddress,
  isHashing,
  type Scheduler,
  type SchedulerFlag,
  type Timeouts,
  withDefaults,
} from '../model/index.js';
import { type CompiledService, rebuildRing, SLOT_MARKED, SLOT_UNMOVED } from './compile.js';
import { SH_SLOTS } from './ipvs-hash.js';
import type { Ring } from './ring.js';

/** A service's real servers at one time: all that its slots followed from. */
export interface Epoch {
  /** Since when, in milliseconds of the wall clock. */
  readonly at: number;
  readonly scheduler: Scheduler;
  /** The service's, where the ring depends on it (mh); else 0. */
  readonly port: number;
  readonly flags: readonly SchedulerFlag[];
  /** What was asked for as the ring's size. */
  readonly slots: number;
  /** Whether every flow was remembered. */
  readonly tracks: boolean;
  /** Flows from before it are remembered whatever their slot: each is looked for until none is found under it. */
  readonly marks: boolean;
  /** Those that packets could be sent to, in the ring's order, and their weights. */
  readonly members: readonly (readonly [address: IpAddress, weight: number])[];
  /** Those that were found dead then, or are gone: what was theirs goes to others at once. */
  readonly gone: readonly IpAddress[];
}

/** The epochs of a service that still matter, the oldest first; never empty. */
export type History = readonly Epoch[];

/** More are not kept of a service that changes all the time: the oldest are forgotten. */
const MAX_EPOCHS = 100;

/** For how long after a change a flow without an entry may have begun before it, in milliseconds. */
export interface Windows {
  /** Where all flows are remembered: as long as a handshake takes. */
  readonly handshake: number;
  /** Where they are not: as long as a flow may be silent. */
  readonly silence: number;
}

export function windowsOf({ service }: CompiledService, common: Timeouts): Windows {
  const { udp, established, synReceived } = withDefaults(common, service.timeouts);
  return { handshake: 1000 * synReceived, silence: 1000 * (service.protocol === 'udp' ? udp : established) };
}

/** A history with what is new in a service; the very same one when nothing is. */
export function advance(history: History | undefined, compiled: CompiledService, now: number): History {
  const { service, destinations, routes, slots, tracks } = compiled;
  const members = destinations.flatMap(({ address, weight }, i) =>
    routes[i]!.action === 'none' ? [] : [[address, weight] as const],
  );
  const last = history?.at(-1);
  const { scheduler, flags = [] } = service;
  const port = scheduler === 'mh' ? service.port : 0;
  const epoch: Epoch = { at: now, scheduler, port, flags, slots, tracks, marks: false, members, gone: [] };
  if (last === undefined) {
    return [epoch];
  }
  if (last.scheduler !== scheduler || hashesPort(last) !== hashesPort(epoch)) {
    // Slots mean something else: only flows that are remembered can stay where they are.
    return [{ ...epoch, marks: !tracks }];
  }
  const there = new Set(members.map(([address]) => address));
  const gone = last.members.map(([address]) => address).filter((address) => !there.has(address));
  const same =
    last.slots === slots &&
    last.tracks === tracks &&
    last.flags.join() === flags.join() &&
    last.members.length === members.length &&
    last.members.every(([address, weight], i) => members[i]![0] === address && members[i]![1] === weight);
  if (same) {
    return history!;
  }
  const all = [...history!, { ...epoch, marks: last.tracks && !tracks, gone }];
  const [oldest, ...rest] = all.slice(-MAX_EPOCHS);
  return rest.length + 1 === all.length ? all : [{ ...oldest!, marks: !oldest!.tracks }, ...rest];
}

/** What is known of a service's slots. Real servers are places in `addresses`, NOBODY for none. */
interface Slots {
  readonly addresses: readonly IpAddress[];
  readonly previous: Int32Array;
  /** When `previous` loses the slot. */
  readonly until: Float64Array;
  /** Some of its flows are remembered, or were. */
  readonly marked: Uint8Array;
  /** The epoch before which nothing matters to the slot. */
  readonly from: Int32Array;
  /** Until when there may be flows from a time when not all were remembered. */
  readonly silentUntil: number;
}

const NOBODY = -1;

/** Walks through a history up to a time. */
function replay(history: History, { handshake, silence }: Windows, now: number): Slots {
  const numbers = new Map<IpAddress, number>();
  const owners = history.map((epoch) => ownersOf(epoch, numbers));
  const length = owners.reduce((most, ring) => Math.max(most, ring.length), 0);
  const owner = stretch(owners[0]!, length);
  const previous = new Int32Array(length).fill(NOBODY);
  const until = new Float64Array(length);
  const marked = new Uint8Array(length).fill(Number(history[0]!.marks));
  const from = new Int32Array(length);
  let silentUntil = 0;
  for (let i = 1; i < history.length; i += 1) {
    const { at, gone, marks } = history[i]!;
    const dead = new Set(gone.map((address) => numbers.get(address)));
    const next = stretch(owners[i]!, length);
    if (!history[i - 1]!.tracks) {
      silentUntil = at + silence;
    }
    const end = Math.max(at + handshake, silentUntil);
    for (let slot = 0; slot < length; slot += 1) {
      if (previous[slot] !== NOBODY && (dead.has(previous[slot]) || at >= until[slot]!)) {
        previous[slot] = NOBODY;
      }
      if (marks) {
        marked[slot] = 1;
        from[slot] = previous[slot] === NOBODY ? i : from[slot]!;
      }
      const old = owner[slot]!;
      if (old === next[slot]) {
        continue;
      }
      // Who has no entry has been here since before the first change: the oldest owner stays the previous one.
      if (old !== NOBODY && !dead.has(old) && previous[slot] === NOBODY) {
        previous[slot] = old;
        until[slot] = end;
        marked[slot] = 1;
        from[slot] = i - 1;
      }
      owner[slot] = next[slot]!;
    }
  }
  for (let slot = 0; slot < length; slot += 1) {
    if (now >= until[slot]!) {
      previous[slot] = NOBODY;
    }
  }
  return { addresses: [...numbers.keys()], previous, until, marked, from, silentUntil };
}

/** A ring on as many slots as a larger one has. */
function stretch(ring: Int32Array, length: number): Int32Array {
  return ring.length === length
    ? ring.slice()
    : Int32Array.from({ length }, (_, slot) =>
        ring.length === 0 ? NOBODY : ring[((slot * ring.length) / length) | 0]!,
      );
}

/** By slot, the place among an epoch's members of whom it leads to, NOBODY for none. */
const known = new WeakMap<Epoch, Int32Array>();

/** By slot, whom it leads to, by their `numbers`; those that have none get one. */
function ownersOf(epoch: Epoch, numbers: Map<IpAddress, number>): Int32Array {
  const translation = epoch.members.map(([address]) => {
    const number = numbers.get(address) ?? numbers.size;
    numbers.set(address, number);
    return number;
  });
  let places = known.get(epoch);
  if (places === undefined) {
    const ring = rebuildRing(epoch);
    places = Int32Array.from(ring ?? [], (_, slot) => ownerOf(epoch, ring!, slot));
    known.set(epoch, places);
  }
  return places.map((place) => (place === NOBODY ? NOBODY : translation[place]!));
}

/**
 * Who gets a slot's new flows. Under sh that is not always whom the slot leads to: who has no weight keeps slots, and they
 * are nobody's, or with sh-fallback the next one's.
 */
function ownerOf({ members, flags }: Epoch, ring: Uint16Array, slot: number): number {
  const takes = (each: number): boolean => members[ring[each]!]![1] > 0;
  if (takes(slot) || !flags.includes('sh-fallback')) {
    return takes(slot) ? ring[slot]! : NOBODY;
  }
  const step = ring.findIndex((_, each) => takes((each + 2 * slot) % SH_SLOTS));
  return step < 0 ? NOBODY : ring[(step + 2 * slot) % SH_SLOTS]!;
}

/** What a history makes of a service's ring now. */
export interface Moves {
  /** Undefined when no slot is moved. */
  readonly previous: Uint16Array | undefined;
  /** The ring that goes with it: as it was, or with as many slots as one before it had. */
  readonly ring: Ring | undefined;
  /** When the first slot's previous owner will be forgotten; Infinity for never. */
  readonly until: number;
  /** The history without the epochs that make no difference any more; the very same one when all do. */
  readonly history: History;
}

/**
 * What stands behind a service's ring.
 *
 * @param occupied by slot, whether a flow is remembered that falls on it; undefined when that is not known
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
  // What was forgotten meanwhile can have hidden what comes to light without it: then all stays.
  const without = evaluate(rest, compiled, windows, now, occupied);
  const same =
    sameSlots(moves.previous, without.previous) &&
    (moves.previous ?? []).every((value, slot) => value >= SLOT_MARKED || without.ends[slot]! >= ends[slot]!);
  return { ...moves, history: same ? rest : history };
}

/** The same; by slot when it loses its previous owner; and the first epoch that matters, or how many there are. */
function evaluate(
  history: History,
  { ring, destinations, routes, tracks }: CompiledService,
  windows: Windows,
  now: number,
  occupied: Uint8Array | undefined,
): Omit<Moves, 'history'> & { readonly ends: Float64Array; readonly from: number } {
  const slots = replay(history, windows, now);
  const { length } = slots.previous;
  const indices = new Map(destinations.map(({ address }, i) => [address, i]));
  const indexOf = slots.addresses.map((address) => {
    const index = indices.get(address);
    return index === undefined || routes[index]!.action === 'none' ? undefined : index;
  });
  let until = Infinity;
  // Without slots there is nothing to go by yet; and how long a next change is felt may depend on an epoch before.
  let from = length === 0 || (tracks && slots.silentUntil > now) ? 0 : history.length;
  let moved = false;
  const previous = new Uint16Array(length).fill(SLOT_UNMOVED);
  for (let slot = 0; slot < length; slot += 1) {
    const number = slots.previous[slot]!;
    const index = number === NOBODY ? undefined : indexOf[number];
    if (index !== undefined) {
      previous[slot] = index;
      until = Math.min(until, slots.until[slot]!);
    } else if (!tracks && slots.marked[slot] === 1 && (occupied?.length !== length || occupied[slot] === 1)) {
      // Where every flow is remembered, every one is looked for anyway.
      previous[slot] = SLOT_MARKED;
    } else {
      continue;
    }
    from = Math.min(from, slots.from[slot]!);
    moved = true;
  }
  if (!moved) {
    return { previous: undefined, ring, until, ends: slots.until, from };
  }
  if (ring !== undefined) {
    const stretched =
      ring.length === length ? ring : previous.map((_, slot) => ring[((slot * ring.length) / length) >>> 0]!);
    return { previous, ring: stretched, until, ends: slots.until, from };
  }
  // Nobody takes new flows: slots lead to somebody of weight 0, who is asked no further.
  return {
    previous: previous.map((value) => (value === SLOT_UNMOVED ? SLOT_MARKED : value)),
    ring: new Uint16Array(length),
    until,
    ends: slots.until,
    from,
  };
}

export function sameSlots(a: Uint16Array | undefined, b: Uint16Array | undefined): boolean {
  return a === b || (a?.length === b?.length && a?.every((value, i) => value === b![i]) === true);
}

/** Whether a service's flows find their slots anew from each packet, so that it matters when these move. */
export function canMove({ service }: CompiledService): boolean {
  return isHashing(service.scheduler) && service.onePacket !== true;
}
