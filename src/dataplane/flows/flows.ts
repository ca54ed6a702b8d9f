/** Reads the flow tables: pages of flows, sums of flows, and how many flows each destination has. */

import {
  type CompiledService,
  type DestinationNumber,
  type ServiceNumber,
  highestNumbers,
  type Numbering,
} from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { FLOW_STATES, type FlowState } from '../../layout/index.js';
import { type Family, type IpAddress, ipFromBytes } from '../../model/index.js';
import { addon } from '../../native/index.js';
import { readLoads } from '../maps/loads.js';
import type { MapSet } from '../maps/map-set.js';
import { decodeFlow, entryBytes, type FlowEntry } from './entry.js';

/** How many flows a destination has, as IPVS counts them. */
export interface FlowCounts {
  readonly active: number;
  readonly inactive: number;
  /** Templates of persistence. */
  readonly persistent: number;
}

/** Selects flows. Undefined fields select all. */
export interface FlowFilter {
  /** The service's number; for a mark's service, also those of its entries. */
  readonly services?: readonly ServiceNumber[] | undefined;
  readonly destination?: DestinationNumber | undefined;
  /** 4 or 16 bytes, of the family asked for. */
  readonly client?: Uint8Array | undefined;
  readonly states?: readonly FlowState[] | undefined;
}

/** Sums of flows of one family. */
export interface FlowSums {
  /** Only states that occur; templates count too. */
  readonly states: Readonly<Partial<Record<FlowState, number>>>;
  /** The clients with the most flows, in that order. */
  readonly topClients: readonly { readonly client: IpAddress; readonly flows: number }[];
}

/** Returns the program's time. A tiny program beside it tells it, since user space cannot read the kernel's jiffies. */
export function flowNow(set: MapSet): number {
  return set.programs.get('clock')!.run({ data: new Uint8Array(14) }).returnValue;
}

/** Returns how many flows each destination has, as the program counts them; by service name, in the image's order. */
export function readFlowCounts(
  set: MapSet,
  services: readonly CompiledService[],
  numbering: Numbering,
): ReadonlyMap<string, readonly FlowCounts[]> {
  const words = layout.load.byteLength / 4;
  const [active, inactive, persistent] = Object.values(layout.flowClass).map((i) => layout.load.flows.offset / 4 + i);
  const loads = readLoads(set.memory, highestNumbers(numbering).destination + 1);
  return new Map(
    services.map(({ name, destinations }) => {
      const numbers = numbering.get(name)!;
      const counts = destinations.map(({ address }) => {
        const at = numbers.destinations.get(address)! * words;
        return { active: loads[at + active!]!, inactive: loads[at + inactive!]!, persistent: loads[at + persistent!]! };
      });
      return [name, counts] as const;
    }),
  );
}

/**
 * Returns a page of flows, in the order of the table.
 *
 * @param from the place to begin at: 0, or `next` of the page before
 */
export async function listFlows(
  set: MapSet,
  family: Family,
  filter: FlowFilter,
  from: number,
  limit: number,
): Promise<{ flows: FlowEntry[]; next: number | undefined }> {
  const now = flowNow(set);
  const { entries, next } = await addon.listFlows({ ...nativeFilter(set, family, filter), from, limit });
  const bytes = entryBytes(family);
  const flows = Array.from({ length: entries.length / bytes }, (_, i) =>
    decodeFlow(entries.subarray(i * bytes, (i + 1) * bytes), family, now),
  );
  return { flows, next };
}

/** @param limit the most clients */
export async function summarizeFlows(
  set: MapSet,
  family: Family,
  filter: FlowFilter,
  limit: number,
): Promise<FlowSums> {
  const { topClients, states } = await addon.summarizeFlows({ ...nativeFilter(set, family, filter), limit });
  return {
    states: statesOf(states, [0]),
    topClients: topClients.map(({ address, flows }) => ({ client: ipFromBytes(address), flows })),
  };
}

function nativeFilter(
  set: MapSet,
  family: Family,
  { services, destination, client, states }: FlowFilter,
): Omit<Parameters<typeof addon.listFlows>[0], 'from' | 'limit'> {
  return {
    flows: set.memory.mapping(`flows${family}`).native,
    flowsEntries: set.flowEntries(family),
    family,
    ...(services !== undefined && { services: flagsOf(services) }),
    ...(destination !== undefined && { destination }),
    ...(client !== undefined && { client }),
    ...(states !== undefined && { states: states.reduce((bits, state) => bits | (1 << layout.flowState[state]), 0) }),
  };
}

/** Returns a byte for each number: 1 for those given. */
export function flagsOf(numbers: readonly number[]): Uint8Array {
  const flags = new Uint8Array(numbers.reduce((most, each) => Math.max(most, each), 0) + 1);
  for (const number of numbers) {
    flags[number] = 1;
  }
  return flags;
}

/** Sums the counts of some services, by state. Only states that occur. */
export function statesOf(states: Uint32Array, services: readonly number[]): Partial<Record<FlowState, number>> {
  const counted = Array.from(
    Object.entries(layout.flowState),
    ([name, state]) =>
      [name, services.reduce((sum, service) => sum + (states[service * FLOW_STATES + state] ?? 0), 0)] as const,
  );
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}
