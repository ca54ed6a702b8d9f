/** Histories: the real servers that a service had over time, and from them which slots of its ring moved, and when. */

import {
  isMarkKey,
  hashesPort,
  type IpAddress,
  oncePer,
  type Scheduler,
  type SchedulerFlag,
  type Timeouts,
  withDefaults,
} from '../model/index.js';
import { isInRing, keepsFlows } from './held.js';
import type { CompiledService } from './image.js';
import { greatestCommonDivisor, SH_SLOTS } from './ipvs-hash.js';
import { rebuildRing } from './rings.js';

/** A service's real servers at one time, and everything else that its slots follow from. */
export interface Epoch {
  /** The time from which it holds, in milliseconds since the machine started. */
  readonly at: number;
  readonly scheduler: Scheduler;
  /** The service's port if the ring depends on it (mh); otherwise 0. */
  readonly port: number;
  readonly flags: readonly SchedulerFlag[];
  /** The size that was asked for the ring. */
  readonly slots: number;
  /** Whether every flow was remembered. */
  readonly tracks: boolean;
  /** Flows from before it may be remembered under any slot, so a slot is looked up until no flow is found under it. */
  readonly marks: boolean;
  /** The real servers that packets could be sent to, in the ring's order, and their weights. */
  readonly members: readonly (readonly [address: IpAddress, weight: number])[];
  /** Real servers that packets could not be sent to, and whose flows waited for them; undefined: none. */
  readonly held?: readonly IpAddress[] | undefined;
  /** Real servers that were removed, or do not resolve under `unresolved: move`: their flows go to others at once. */
  readonly gone: readonly IpAddress[];
}

/** The epochs of a service that still matter, the oldest first; never empty. */
export type History = readonly Epoch[];

/** The most epochs that are kept. If a service changes all the time, the shortest ones in between are forgotten. */
export const MAX_EPOCHS = 100;

/** For how long after a change a flow without an entry may have begun before it, in milliseconds. */
export interface Windows {
  /** If all flows are remembered: the time that a handshake takes under maglev, which stores no SYN; otherwise 0. */
  readonly handshake: number;
  /** If they are not: the time that a flow may be silent. */
  readonly silence: number;
}

export function windowsOf({ service }: CompiledService, common: Timeouts): Windows {
  const { udp, established, synReceived } = withDefaults(common, service.timeouts);
  const isUdp = !isMarkKey(service) && service.protocol === 'udp';
  return {
    handshake: service.scheduler === 'maglev' && !isUdp ? 1000 * synReceived : 0,
    silence: 1000 * (isUdp ? udp : established),
  };
}

/** Adds a service's present state to its history. Returns the same object if nothing changed. */
export function advance(history: History | undefined, compiled: CompiledService, now: number): History {
  const epoch = epochOf(compiled, now);
  const last = history?.at(-1);
  if (history === undefined || last === undefined) {
    return [epoch];
  }
  if (last.scheduler !== epoch.scheduler || hashesPort(last) !== hashesPort(epoch)) {
    // Packets now fall on other slots: only flows that are remembered can stay where they are.
    return [{ ...epoch, marks: !epoch.tracks }];
  }
  if (isSameEpoch(last, epoch)) {
    return history;
  }
  const there = new Set(keepersOf(epoch));
  const gone = keepersOf(last).filter((address) => !there.has(address));
  const all = [...history, { ...epoch, marks: last.tracks && !epoch.tracks, gone }];
  return all.length <= MAX_EPOCHS ? all : withoutShortest(all);
}

/**
 * Drops the shortest epoch between the first and the last, as if the one after it had come at once. The first one stays:
 * flows without an entry are mostly of the oldest owners. Those that began in the epoch that is dropped have an entry where
 * it moved slots, and elsewhere their owner is that of the epochs around it.
 */
function withoutShortest(history: readonly Epoch[]): History {
  const durations = history.slice(1, -1).map(({ at }, i) => history[i + 2]!.at - at);
  const shortest = 1 + durations.indexOf(Math.min(...durations));
  const [dropped, after] = [history[shortest]!, history[shortest + 1]!];
  const merged = {
    ...after,
    marks: dropped.marks || after.marks,
    gone: [...new Set([...dropped.gone, ...after.gone])],
  };
  return history.toSpliced(shortest, 2, merged);
}

/** The real servers that keep their flows. */
function keepersOf({ members, held = [] }: Epoch): IpAddress[] {
  return [...members.map(([address]) => address), ...held];
}

function epochOf(compiled: CompiledService, at: number): Epoch {
  const { service, destinations, routes, slots, tracks } = compiled;
  const { scheduler, flags = [] } = service;
  const members = destinations.flatMap((each, i) =>
    isInRing(each, routes[i]!) ? [[each.address, each.weight] as const] : [],
  );
  const port = scheduler === 'mh' && !isMarkKey(service) ? service.port : 0;
  const held = destinations.flatMap((each, i) =>
    keepsFlows(compiled, i) && !isInRing(each, routes[i]!) ? [each.address] : [],
  );
  const base = { at, scheduler, port, flags, slots, tracks, marks: false, members, gone: [] };
  return held.length === 0 ? base : { ...base, held };
}

type Members = Epoch['members'];

/** Whether weights give the same slots. To maglev their proportions do: a slow start multiplies all of them. */
function hasSameWeights(scheduler: Epoch['scheduler'], before: Members, after: Members): boolean {
  if (before.every(([, weight], i) => after[i]![1] === weight)) {
    return true;
  }
  const unitOf = (members: Members): number =>
    members.reduce((unit, [, weight]) => greatestCommonDivisor(unit, weight), 0);
  const [was, is] = [unitOf(before), unitOf(after)];
  return scheduler === 'maglev' && before.every(([, weight], i) => weight * is === after[i]![1] * was);
}

/** Whether two epochs of one scheduler have the same slots. */
function isSameEpoch(last: Epoch, { slots, tracks, flags, members, held = [] }: Epoch): boolean {
  return (
    last.slots === slots &&
    last.tracks === tracks &&
    last.flags.join() === flags.join() &&
    (last.held ?? []).join() === held.join() &&
    last.members.length === members.length &&
    last.members.every(([address], i) => members[i]![0] === address) &&
    hasSameWeights(last.scheduler, last.members, members)
  );
}

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

/** Replays a history up to a time. */
export function replay(history: History, { handshake, silence }: Windows, now: number): SlotStates {
  const numbers = new Map<IpAddress, number>();
  const owners = history.map((epoch) => ownersOf(epoch, numbers));
  const length = owners.reduce((most, ring) => Math.max(most, ring.length), 0);
  const owner = stretchOwners(owners[0]!, length);
  const previous = new Int32Array(length).fill(NO_OWNER);
  const until = new Float64Array(length);
  const marked = new Uint8Array(length).fill(Number(history[0]!.marks));
  const from = new Int32Array(length);
  let silentUntil = 0;
  for (let i = 1; i < history.length; i += 1) {
    const { at, gone, marks } = history[i]!;
    const dead = new Set(gone.map((address) => numbers.get(address)));
    const next = stretchOwners(owners[i]!, length);
    if (!history[i - 1]!.tracks) {
      silentUntil = at + silence;
    }
    const end = Math.max(at + handshake, silentUntil);
    for (let slot = 0; slot < length; slot += 1) {
      if (previous[slot] !== NO_OWNER && (dead.has(previous[slot]) || at >= until[slot]!)) {
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
      if (old !== NO_OWNER && !dead.has(old) && previous[slot] === NO_OWNER) {
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
      previous[slot] = NO_OWNER;
    }
  }
  return { addresses: [...numbers.keys()], previous, until, marked, from, silentUntil };
}

/** Gives a ring as many slots as a larger one has. */
function stretchOwners(ring: Int32Array, length: number): Int32Array {
  return ring.length === length
    ? ring.slice()
    : Int32Array.from({ length }, (_, slot) =>
        ring.length === 0 ? NO_OWNER : ring[((slot * ring.length) / length) | 0]!,
      );
}

/** Returns by slot the owner's index among an epoch's members, or NO_OWNER. */
const slotOwners = oncePer((epoch: Epoch): Int32Array => {
  const ring = rebuildRing(epoch);
  return Int32Array.from(ring ?? [], (_, slot) => ownerOf(epoch, ring!, slot));
});

/** Returns the owner of each slot, by `numbers`; members that have no number get one. */
function ownersOf(epoch: Epoch, numbers: Map<IpAddress, number>): Int32Array {
  const translation = epoch.members.map(([address]) => {
    const number = numbers.get(address) ?? numbers.size;
    numbers.set(address, number);
    return number;
  });
  return slotOwners(epoch).map((index) => (index === NO_OWNER ? NO_OWNER : translation[index]!));
}

/**
 * Returns which member gets a slot's new flows. Under sh that is not always the one that the slot leads to: a member of
 * weight 0 keeps its slots, whose new flows go to none, or with sh-fallback to the next.
 */
function ownerOf({ members, flags }: Epoch, ring: Uint16Array, slot: number): number {
  const takes = (each: number): boolean => members[ring[each]!]![1] > 0;
  if (takes(slot) || !flags.includes('sh-fallback')) {
    return takes(slot) ? ring[slot]! : NO_OWNER;
  }
  const step = ring.findIndex((_, each) => takes((each + 2 * slot) % SH_SLOTS));
  return step < 0 ? NO_OWNER : ring[(step + 2 * slot) % SH_SLOTS]!;
}
