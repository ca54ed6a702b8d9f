/** A scheduler's view of its service, and its cursor: the twin of bpf/policy.h. */

import { type CompiledService, keepsFlows } from '../image/index.js';
import type { IpAddress } from '../model/index.js';
import type { Cursor, Load, Maps } from './maps.js';

/** All that there are. */
export type SchedulerName =
  'maglev' | 'rr' | 'wrr' | 'lc' | 'wlc' | 'sed' | 'nq' | 'sh' | 'mh' | 'dh' | 'fo' | 'ovf' | 'lblc' | 'lblcr' | 'twos';

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

/** The candidates for a new flow: the load and weight of each destination by its index, and which take the flow. */
export interface Candidates {
  readonly load: (index: number) => Load;
  readonly weights: readonly number[];
  readonly taking: readonly number[];
}

export function scheduledOf({ service, ring, destinations, routes }: CompiledService): Scheduled {
  return {
    scheduler: service.scheduler,
    flags: service.flags ?? [],
    ring,
    weights: destinations.map(({ weight }) => weight),
    reachable: routes.map(({ action }) => action !== 'none'),
  };
}

/** A destination's index when it takes packets of the flows that it has: also while it is held. */
export function takingIndex(service: CompiledService, address: IpAddress | undefined): number | undefined {
  const index = service.destinations.findIndex((each) => each.address === address);
  return index >= 0 && keepsFlows(service, index) ? index : undefined;
}

/** A destination's index when packets can be sent to it now. */
export function reachableIndex(service: CompiledService, address: IpAddress | undefined): number | undefined {
  const index = takingIndex(service, address);
  return index !== undefined && service.routes[index]!.action !== 'none' ? index : undefined;
}

/** Whether a destination takes new flows. */
export function takes({ reachable, weights }: Scheduled, index: number, load: (index: number) => Load): boolean {
  return reachable[index]! && weights[index]! > 0 && !load(index).overloaded;
}

export function cursorOf({ memory, recall }: Maps, service: CompiledService): Cursor {
  const known = memory.cursors.get(service.name);
  if (known !== undefined) {
    return known;
  }
  const cursor = recall?.cursor(service) ?? { count: 0n, cached: undefined };
  memory.cursors.set(service.name, cursor);
  return cursor;
}

/** Lets a service's scheduler begin from the start: the service was gone, and is back. */
export function forgetSchedule({ memory: { cursors, members } }: Maps, service: string): void {
  cursors.delete(service);
  for (const name of [...members.keys()].filter((each) => each.startsWith(`${service} `))) {
    members.delete(name);
  }
}

/** The load that IPVS compares, except under sed and nq (ip_vs_dest_conn_overhead() in include/net/ip_vs.h). */
export function overheadOf({ active, inactive }: Load): number {
  return active * 256 + inactive;
}

/** Returns the first destination that is better than all before it. */
export function first(among: readonly number[], better: (a: number, b: number) => boolean): number | undefined {
  let best: number | undefined;
  for (const each of among) {
    if (best === undefined || better(each, best)) {
      best = each;
    }
  }
  return best;
}

/** Returns the destination with the least cost for its weight; the first of equals. */
export function leastForWeight(
  among: readonly number[],
  weights: readonly number[],
  cost: (index: number) => number,
): number | undefined {
  return first(among, (a, b) => cost(a) * weights[b]! < cost(b) * weights[a]!);
}
