/** Every scheduler in TypeScript: the oracle that bpf/schedule.h is held to. */

import { foldAddress, MH_SLOTS, mhSlot, SH_SLOTS, shSlot } from '../image/index.js';
import { hashFlow, mixFlow, slotOf } from './hash.js';

/** All that there are. */
export type SchedulerName =
  'maglev' | 'rr' | 'wrr' | 'lc' | 'wlc' | 'sed' | 'nq' | 'sh' | 'mh' | 'dh' | 'fo' | 'ovf' | 'lblc' | 'lblcr' | 'twos';

/** A destination's flows, and whether it is over its threshold. */
export interface Load {
  readonly active: number;
  readonly inactive: number;
  readonly overloaded: boolean;
  /** lblcr: it is among those in use, as which in turn; 0: it is not. */
  readonly member: number;
}

export interface SchedulerState {
  /** Flows scheduled so far, for sequences and draws. */
  count: bigint;
  /** lblc: index of the destination in use. */
  cached: number | undefined;
}

/** A service as its scheduler sees it. Destinations stand in the scheduler's order. */
export interface Scheduled {
  readonly scheduler: SchedulerName;
  /** As ipvsadm's -b names them: sh-port, sh-fallback, mh-port, mh-fallback. */
  readonly flags: readonly string[];
  /** Slot to destination, where the scheduler has a table. */
  readonly ring: Uint16Array | undefined;
  /** 0: takes no new flows. */
  readonly weights: readonly number[];
  /** Whether a destination takes packets at all. */
  readonly reachable: readonly boolean[];
}

export interface Client {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

/**
 * The destination for a new flow, undefined when none takes it.
 *
 * @param load of a destination, by its index
 * @param state is brought up to date
 * @param join lblcr: makes a destination one of those in use, the last of them
 * @param goesOn whether the flow began earlier, and is not remembered: then thresholds are not for it where its slot says
 *   where it is
 */
export function schedule(
  service: Scheduled,
  client: Client,
  load: (index: number) => Load,
  state: SchedulerState,
  join: (index: number) => void,
  goesOn = false,
): number | undefined {
  const { scheduler, weights, reachable } = service;
  const takes = (index: number): boolean => reachable[index]! && weights[index]! > 0 && !load(index).overloaded;
  const candidates = weights.map((_, index) => index).filter(takes);
  const overhead = (index: number): number => load(index).active * 256 + load(index).inactive;
  const least = (among: readonly number[], cost: (index: number) => number): number | undefined =>
    first(among, (a, b) => cost(a) * weights[b]! < cost(b) * weights[a]!);

  switch (scheduler) {
    case 'maglev':
    case 'sh':
    case 'mh': {
      const owner = slotOwner(service, client);
      return goesOn && owner !== undefined ? owner : bySlot(service, hashedSlots(service, client), takes);
    }
    case 'rr':
    case 'wrr':
    case 'dh':
      return bySequence(service, state, takes);
    case 'lc':
      return first(candidates, (a, b) => overhead(a) < overhead(b));
    case 'wlc':
      return least(candidates, overhead);
    case 'sed':
      return least(candidates, (index) => load(index).active + 1);
    case 'nq':
      return (
        candidates.find((index) => load(index).active === 0) ?? least(candidates, (index) => load(index).active + 1)
      );
    case 'fo':
      return first(candidates, (a, b) => weights[a]! > weights[b]!);
    case 'ovf':
      return first(
        candidates.filter((index) => load(index).active <= weights[index]!),
        (a, b) => weights[a]! > weights[b]!,
      );
    case 'lblc':
    case 'lblcr': {
      const inUse = candidates.filter((index) => (scheduler === 'lblc' ? index === state.cached : load(index).member));
      // Of equals the one that joined last.
      const kept = least(
        inUse.sort((a, b) => load(b).member - load(a).member),
        overhead,
      );
      const idle = weights.some((weight, index) => reachable[index]! && load(index).active * 2 < weight);
      if (kept !== undefined && !(load(kept).active > weights[kept]! && idle)) {
        return kept;
      }
      const chosen = least(candidates, overhead);
      state.cached = chosen;
      if (chosen !== undefined && scheduler === 'lblcr' && load(chosen).member === 0) {
        join(chosen);
      }
      return chosen;
    }
    case 'twos':
      return byDraws(candidates, weights, overhead, state);
  }
}

/** The one that is better than all before it, and than none of which it is not. */
function first(among: readonly number[], better: (a: number, b: number) => boolean): number | undefined {
  let best: number | undefined;
  for (const each of among) {
    if (best === undefined || better(each, best)) {
      best = each;
    }
  }
  return best;
}

/** What sh and mh hash: the client's address folded, and its port when asked for. */
function hashedWord({ scheduler, flags }: Scheduled, { address, port }: Client): number {
  const withPort = flags.some((flag) => flag === `${scheduler}-port`);
  return (foldAddress(address) + (withPort ? port : 0)) >>> 0;
}

/** A flow's slot under a scheduler that hashes. */
export function hashedSlot(service: Scheduled, client: Client): number {
  switch (service.scheduler) {
    case 'mh':
      return mhSlot(hashedWord(service, client));
    case 'sh':
      return shSlot(hashedWord(service, client));
    default:
      return slotOf(hashFlow(client.address, client.port), service.ring!.length);
  }
}

/** Whom a flow's slot leads to, whatever threshold that has; undefined when it takes no flows anyway. */
export function slotOwner(service: Scheduled, client: Client): number | undefined {
  const index = service.ring?.[hashedSlot(service, client)];
  return index !== undefined && service.reachable[index]! && service.weights[index]! > 0 ? index : undefined;
}

/** The slot, and then those to look on at. */
function* hashedSlots(service: Scheduled, client: Client): Generator<number> {
  if (service.ring === undefined) {
    return;
  }
  const slot = hashedSlot(service, client);
  const { scheduler, flags, ring } = service;
  yield slot;
  if (scheduler !== 'maglev' && !flags.some((flag) => flag === `${scheduler}-fallback`)) {
    return;
  }
  for (let step = 0; step < ring.length; step += 1) {
    switch (scheduler) {
      case 'mh':
        yield mhSlot(hashedWord(service, client) + ((step + slot) % MH_SLOTS));
        break;
      case 'sh':
        yield (step + 2 * slot) % SH_SLOTS;
        break;
      default:
        yield (slot + 1 + step) % ring.length;
    }
  }
}

function bySlot({ ring }: Scheduled, slots: Iterable<number>, takes: (index: number) => boolean): number | undefined {
  for (const slot of slots) {
    const index = ring![slot]!;
    if (takes(index)) {
      return index;
    }
  }
  return undefined;
}

function bySequence({ ring }: Scheduled, state: SchedulerState, takes: (index: number) => boolean): number | undefined {
  if (ring === undefined) {
    return undefined;
  }
  const begin = Number(state.count % BigInt(ring.length));
  state.count += 1n;
  for (let step = 0; step <= ring.length; step += 1) {
    const index = ring[(begin + step) % ring.length]!;
    if (takes(index)) {
      state.count += BigInt(step);
      return index;
    }
  }
  return undefined;
}

function byDraws(
  candidates: readonly number[],
  weights: readonly number[],
  overhead: (index: number) => number,
  state: SchedulerState,
): number | undefined {
  if (candidates.length === 0) {
    return undefined;
  }
  state.count += 1n;
  const random = mixFlow(state.count);
  const again = mixFlow(random ^ (random >> 32n));
  const sum = candidates.reduce((total, index) => total + weights[index]!, 0);
  const draw = (bits: bigint): number => {
    let left = Number(((bits >> 32n) * BigInt(sum + 1)) >> 32n);
    return candidates.find((index) => (left -= weights[index]!) <= 0)!;
  };
  const [one, other] = [draw(random), draw(again)];
  return weights[one]! * overhead(other) < weights[other]! * overhead(one) ? other : one;
}
