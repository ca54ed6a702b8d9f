/** The tables of flows as the control plane reads them: sweeps, listings, and what stands in an entry. */

import { flowStateOf } from '../layout/index.js';
import {
  type CompiledService,
  highestNumbers,
  type Image,
  type Numbering,
  type NumberSet,
  persistenceMask,
  PROGRAM_SCHEDULER,
} from '../image/index.js';
import * as layout from '../layout/index.js';
import { FLOW_STATES, type FlowState } from '../layout/index.js';
import type { Mapping } from '../libbpf/index.js';
import { hashesPort, type IpAddress, ipFromBytes } from '../model/index.js';
import { addon } from '../native/index.js';
import { secondsOf } from './clock.js';
import { timeoutsOf } from './flow-timeouts.js';
import type { MapSet } from './map-set.js';

/** How many flows a destination has, as IPVS counts them. */
export interface FlowCounts {
  readonly active: number;
  readonly inactive: number;
  /** Templates of persistence. */
  readonly persistent: number;
}

/** What a sweep found. */
export interface FlowStatistics {
  /** By service name, then by state; only states that occur. */
  readonly states: ReadonlyMap<string, Readonly<Partial<Record<FlowState, number>>>>;
  /** Entries of the tables, and those in use. */
  readonly tables: Readonly<Record<'ipv4' | 'ipv6', TableStatistics>>;
  /** Flows that were forgotten in this sweep. */
  readonly expired: number;
  /** By name of a service with moved slots: which of them some remembered flow falls on. */
  readonly occupied: ReadonlyMap<string, Uint8Array>;
}

export interface TableStatistics {
  readonly entries: number;
  readonly used: number;
  /** Of the table's buckets, those that are full. */
  readonly fullBuckets: number;
  readonly bytes: number;
}

/** What the data path did to the tables since they were made. */
export interface FlowTotals {
  readonly stored: number;
  /** Flows that gave way to others before they were over. */
  readonly evicted: number;
  /** Flows that found no room. */
  readonly refused: number;
}

/** One flow, or template, as it stands in its table. */
export interface FlowEntry {
  readonly service: number;
  readonly destination: number;
  readonly client: IpAddress;
  readonly clientPort: number;
  /** The virtual port; 0 in a template. */
  readonly port: number;
  readonly state: FlowState;
  /** Since its last packet. */
  readonly idleSeconds: number;
}

/** Which flows are asked for; undefined: all. */
export interface FlowFilter {
  /** A service's number; a mark's, and those of all that leads to it. */
  readonly services?: readonly number[] | undefined;
  readonly destination?: number | undefined;
  /** 4 or 16 bytes, of the family asked for. */
  readonly client?: Uint8Array | undefined;
  readonly states?: readonly FlowState[] | undefined;
}

/** The data path's time: what a tiny program beside it says, since user space cannot read the kernel's jiffies. */
export function flowNow(set: MapSet): number {
  return set.programs.get('clock')!.run({ data: new Uint8Array(14) }).returnValue;
}

/**
 * Looks at all entries in a thread of its own: forgets what is over, sets the destinations' loads right, counts.
 *
 * @param gone numbers whose owners are gone: nothing refers to them when this is over
 * @param moved the services whose slots are to be looked at
 */
export async function sweep(
  set: MapSet,
  { services, markEntries, timeouts }: Pick<Image, 'services' | 'markEntries' | 'timeouts'>,
  numbering: Numbering,
  gone: NumberSet,
  moved: readonly CompiledService[],
): Promise<FlowStatistics> {
  const numbered = services.flatMap((compiled) => {
    const numbers = numbering.get(compiled.name);
    return numbers === undefined ? [] : [{ compiled, group: numbers.number, number: numbers.number }];
  });
  const byName = new Map(numbered.map((each) => [each.compiled.name, each]));
  // What leads to a mark's service has flows of its own, and the service's timeouts and templates.
  const leading = markEntries.flatMap(({ name, service }) => {
    const [number, of] = [numbering.get(name)?.number, byName.get(service)];
    return number === undefined || of === undefined ? [] : [{ ...of, number }];
  });
  const all = [...numbered, ...leading];
  const units = new Uint32Array((highestNumbers(numbering).service + 1) * FLOW_STATES);
  for (const { compiled, number } of all) {
    units.set(timeoutsOf(compiled.service, timeouts), number * FLOW_STATES);
  }
  const looked = moved.filter(({ name }) => numbering.has(name));
  const { flows4, flows6, loads } = set.flowMemory;
  const result = await addon.sweepFlows({
    flows4: flows4.native,
    flows6: flows6.native,
    loads: loads.native,
    now: flowNow(set),
    timeouts: units,
    dead: flagsOf(gone.destinations),
    deadServices: flagsOf(gone.services),
    rings: looked.map((compiled) => ringOptions(compiled, numbering.get(compiled.name)!.number)),
    masks: all
      .filter(({ compiled }) => compiled.service.persistence !== undefined)
      .map(({ compiled, group, number }) => ({ service: number, group, mask: persistenceMask(compiled.service) })),
  });
  return {
    states: new Map(
      numbered.map(({ compiled, group }) => {
        const others = leading.filter((each) => each.group === group).map(({ number }) => number);
        return [compiled.name, statesOf(result.states, [group, ...others])];
      }),
    ),
    tables: {
      ipv4: tableStatistics(result.fill4, flows4),
      ipv6: tableStatistics(result.fill6, flows6),
    },
    expired: result.expired,
    occupied: new Map(looked.map(({ name }, i) => [name, result.occupied[i]!])),
  };
}

/** Numbers as flags by number. */
function flagsOf(numbers: readonly number[]): Uint8Array {
  const flags = new Uint8Array(numbers.reduce((most, each) => Math.max(most, each), 0) + 1);
  for (const number of numbers) {
    flags[number] = 1;
  }
  return flags;
}

function ringOptions(
  { service: asked, ring }: CompiledService,
  service: number,
): { service: number; scheduler: number; length: number; withPort: boolean } {
  const scheduler = layout.scheduler[PROGRAM_SCHEDULER[asked.scheduler]];
  return { service, scheduler, length: ring?.length ?? 0, withPort: hashesPort(asked) };
}

function statesOf(states: Uint32Array, services: readonly number[]): Partial<Record<FlowState, number>> {
  const counted = Array.from(
    Object.entries(layout.flowState),
    ([name, state]) =>
      [name, services.reduce((sum, service) => sum + (states[service * FLOW_STATES + state] ?? 0), 0)] as const,
  );
  return Object.fromEntries(counted.filter(([, count]) => count > 0));
}

function tableStatistics(fill: Uint32Array, { byteLength }: Mapping): TableStatistics {
  const ways = fill.length - 1;
  const buckets = fill.reduce((sum, count) => sum + count, 0);
  const used = fill.reduce((sum, count, entries) => sum + count * entries, 0);
  return { entries: buckets * ways, used, fullBuckets: fill[ways] ?? 0, bytes: byteLength };
}

/** How many flows each destination has, as the data path counts them; by service name, in the image's order. */
export function readFlowCounts(
  set: MapSet,
  services: readonly CompiledService[],
  numbering: Numbering,
): ReadonlyMap<string, readonly FlowCounts[]> {
  const words = layout.load.byteLength / 4;
  const [active, inactive, persistent] = Object.values(layout.flowClass).map((i) => layout.load.flows.offset / 4 + i);
  const loads = set.readLoads(highestNumbers(numbering).destination + 1);
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
 * A page of flows, in the order of their places in the table.
 *
 * @param from the place to begin at, 0 or what the page before said is next
 */
export async function listFlows(
  set: MapSet,
  family: 4 | 6,
  filter: FlowFilter,
  from: number,
  limit: number,
): Promise<{ flows: FlowEntry[]; next: number | undefined }> {
  const now = flowNow(set);
  const { entries, next } = await addon.listFlows({ ...nativeFilter(set, family, filter), from, limit });
  const bytes = family === 4 ? layout.flow4.byteLength : layout.flow6.byteLength;
  const flows = Array.from({ length: entries.length / bytes }, (_, i) =>
    decodeFlow(entries.subarray(i * bytes, (i + 1) * bytes), family, now),
  );
  return { flows, next };
}

/** Flows of one family summed up. */
export interface FlowSums {
  /** Only states that occur; templates count too. */
  readonly states: Readonly<Partial<Record<FlowState, number>>>;
  /** The most flows first. */
  readonly topClients: readonly { readonly client: IpAddress; readonly flows: number }[];
}

/** @param limit how many clients at most */
export async function summarizeFlows(set: MapSet, family: 4 | 6, filter: FlowFilter, limit: number): Promise<FlowSums> {
  const { topClients, states } = await addon.summarizeFlows({ ...nativeFilter(set, family, filter), limit });
  return {
    states: statesOf(states, [0]),
    topClients: topClients.map(({ address, flows }) => ({ client: ipFromBytes(address), flows })),
  };
}

function nativeFilter(
  set: MapSet,
  family: 4 | 6,
  { services, destination, client, states }: FlowFilter,
): Omit<Parameters<typeof addon.listFlows>[0], 'from' | 'limit'> {
  const { flows4, flows6 } = set.flowMemory;
  return {
    flows: (family === 4 ? flows4 : flows6).native,
    family,
    ...(services !== undefined && { services: flagsOf(services) }),
    ...(destination !== undefined && { destination }),
    ...(client !== undefined && { client }),
    ...(states !== undefined && { states: states.reduce((bits, state) => bits | (1 << layout.flowState[state]), 0) }),
  };
}

/** An entry's bytes: struct flow4 or struct flow6, and flow_data() in bpf/flow_entry.h. */
export function decodeFlow(bytes: Uint8Array, family: 4 | 6, now: number): FlowEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rest = family === 4 ? { port: 4, service: 6 } : { port: 16, service: 18 };
  const data = view.getBigUint64(bytes.byteLength - 8, true);
  const { port, number, state, age } = layout.flowDataOf(data, now);
  return {
    client: ipFromBytes(bytes.subarray(0, family === 4 ? 4 : 16)),
    clientPort: view.getUint16(rest.port),
    service: view.getUint16(rest.service, true),
    port: ((port & 0xff) << 8) | (port >> 8),
    destination: number,
    state: flowStateOf(state),
    idleSeconds: secondsOf(age),
  };
}
