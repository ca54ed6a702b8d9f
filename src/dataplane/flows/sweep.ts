/** Sweeps: one look at all flow entries, which ends those that are over and counts the rest. */

import {
  type CompiledService,
  type DestinationNumber,
  type Ghost,
  highestNumbers,
  type Image,
  maskOf,
  type Numbering,
  type NumberSet,
  persistenceMask,
  PROGRAM_SCHEDULER,
  type ServiceNumber,
} from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { FLOW_STATES, type FlowState } from '../../layout/index.js';
import { hashesPort, isUnneededFallback } from '../../model/index.js';
import { addon } from '../../native/index.js';
import type { MapSet } from '../maps/map-set.js';
import { flagsOf, flowNow, statesOf } from './flows.js';
import type { PastTimeouts } from './past-timeouts.js';
import type { Pressure } from './pressure.js';
import { timeoutsOf, unitsIn } from './timeouts.js';

/** The results of a sweep. */
export interface FlowStatistics {
  /** By service name, then by state; only states that occur. */
  readonly states: ReadonlyMap<string, Readonly<Partial<Record<FlowState, number>>>>;
  readonly tables: Readonly<Record<'ipv4' | 'ipv6', TableStatistics>>;
  /** The number of flows that this sweep ended. */
  readonly expired: number;
  /** By name of a service with moved slots: 1 for each slot that some remembered flow falls on. */
  readonly occupied: ReadonlyMap<string, Uint8Array>;
  readonly entries: EntryCounts;
}

/** How many entries, flows and templates, have a number. */
export interface EntryCounts {
  readonly ofService: (number: ServiceNumber) => number;
  readonly ofDestination: (number: DestinationNumber) => number;
}

export interface TableStatistics {
  /** The entries that flows can have at present; more when there are more flows. */
  readonly entries: number;
  /** The most entries that they can have. */
  readonly most: number;
  readonly used: number;
  /** The number of full buckets. */
  readonly fullBuckets: number;
  readonly bytes: number;
  /** It was nearly full at the last sweep that found it so, and has not been relieved since: see Pressure. */
  readonly full: boolean;
}

/** A number that flows have, and the service that it leads to. */
interface NumberedService {
  readonly compiled: CompiledService;
  readonly number: ServiceNumber;
  /** The service's own number: another than `number` for an entry of a mark. */
  readonly group: ServiceNumber;
}

/**
 * Looks at all entries in another thread: ends the flows that are over, corrects the destinations' loads, counts.
 *
 * @param gone numbers that no longer belong to anything: no entry refers to them afterwards
 * @param moved the services whose slots are looked at
 * @param past what flows have whose last packet was before a change of timeouts
 * @param pressure shortens timeouts, and learns how full the tables are
 */
export async function sweep(
  set: MapSet,
  image: Pick<Image, 'services' | 'markEntries' | 'ghosts' | 'timeouts'>,
  numbering: Numbering,
  gone: NumberSet,
  moved: readonly CompiledService[],
  past: PastTimeouts,
  pressure: Pressure,
): Promise<FlowStatistics> {
  const { services, entries } = numberedServices(image, numbering);
  const all = [...services, ...entries];
  const units = timeoutTable(image, numbering, all);
  const looked = moved.filter(({ name }) => numbering.has(name));
  const [flows4, flows6] = [set.memory.mapping('flows4'), set.memory.mapping('flows6')];
  // Who publishes may close this set before the sweep is over.
  const bytes = [flows4, flows6].map(({ byteLength }) => byteLength);
  const now = flowNow(set);
  const shortened = (all: Uint32Array<ArrayBuffer>): { timeouts4: Uint32Array; timeouts6: Uint32Array } => ({
    timeouts4: pressure.shorten(all, 'ipv4'),
    timeouts6: pressure.shorten(all, 'ipv6'),
  });
  const result = await addon.sweepFlows({
    flows4: flows4.native,
    flows6: flows6.native,
    flows4Entries: set.flowEntries(4),
    flows6Entries: set.flowEntries(6),
    loads: set.memory.mapping('loads').native,
    now,
    ...shortened(units),
    past: [
      ...all.map(({ compiled, number }) => ({ name: compiled.name, number })),
      ...image.ghosts.map(({ name, service }) => ({ name: service, number: numbering.get(name)!.number })),
    ].flatMap(({ name, number }) =>
      past.periods(name, now).map((each) => ({ service: number, until: each.until, ...shortened(unitsIn(each)) })),
    ),
    ...flagsOfGone(gone),
    spare: flagsOf(services.flatMap(({ compiled }) => unneededOf(compiled, numbering))),
    rings: looked.map((compiled) => ringOptions(compiled, numbering.get(compiled.name)!.number)),
    masks: [
      ...all
        .filter(({ compiled }) => compiled.service.persistence !== undefined)
        .map(({ compiled, group, number }) => ({ service: number, group, mask: persistenceMask(compiled.service) })),
      ...ghostMasks(image.ghosts, numbering),
    ],
  });
  const ipv4 = tableStatistics(result.fill4, bytes[0]!, set.geometry.flows4);
  const ipv6 = tableStatistics(result.fill6, bytes[1]!, set.geometry.flows6);
  pressure.update({ ipv4, ipv6 });
  return {
    states: new Map(
      services.map(({ compiled, group }) => {
        const others = entries.filter((each) => each.group === group).map(({ number }) => number);
        return [compiled.name, statesOf(result.states, [group, ...others])];
      }),
    ),
    tables: {
      ipv4: { ...ipv4, full: pressure.isFull('ipv4') },
      ipv6: { ...ipv6, full: pressure.isFull('ipv6') },
    },
    expired: result.expired,
    occupied: new Map(looked.map(({ name }, i) => [name, result.occupied[i]!])),
    entries: entryCounts(result),
  };
}

/** Returns the timeouts of flows by their service's number and state, in units. */
export function timeoutTable(
  image: Pick<Image, 'services' | 'markEntries' | 'ghosts' | 'timeouts'>,
  numbering: Numbering,
  numbered = Object.values(numberedServices(image, numbering)).flat(),
): Uint32Array<ArrayBuffer> {
  const units = new Uint32Array((highestNumbers(numbering).service + 1) * FLOW_STATES);
  for (const { compiled, number } of numbered) {
    units.set(timeoutsOf(compiled.service, image.timeouts), number * FLOW_STATES);
  }
  for (const { name, policy } of image.ghosts) {
    units.set(timeoutsOf(policy, image.timeouts), numbering.get(name)!.number * FLOW_STATES);
  }
  return units;
}

function ghostMasks(
  ghosts: readonly Ghost[],
  numbering: Numbering,
): { service: number; group: number; mask: Uint8Array }[] {
  return ghosts.flatMap(({ name, service, family, policy }) => {
    const [number, group] = [numbering.get(name)!.number, numbering.get(service)?.number];
    return policy.persistence === undefined || group === undefined
      ? []
      : [{ service: number, group, mask: maskOf(policy, family) }];
  });
}

function entryCounts({ states, counts }: { states: Uint32Array; counts: Uint32Array }): EntryCounts {
  const classes = Object.keys(layout.flowClass).length;
  const sum = (all: Uint32Array, number: number, each: number): number =>
    all.subarray(number * each, (number + 1) * each).reduce((total, count) => total + count, 0);
  return {
    ofService: (number) => sum(states, number, FLOW_STATES),
    ofDestination: (number) => sum(counts, number, classes),
  };
}

/** Returns all services that have a number, and the entries of marks, whose flows have the service's timeouts. */
function numberedServices(
  { services, markEntries }: Pick<Image, 'services' | 'markEntries'>,
  numbering: Numbering,
): Readonly<Record<'services' | 'entries', readonly NumberedService[]>> {
  const numbered = services.flatMap((compiled) => {
    const numbers = numbering.get(compiled.name);
    return numbers === undefined ? [] : [{ compiled, group: numbers.number, number: numbers.number }];
  });
  const byName = new Map(numbered.map((each) => [each.compiled.name, each]));
  const entries = markEntries.flatMap(({ name, service }) => {
    const [number, of] = [numbering.get(name)?.number, byName.get(service)];
    return number === undefined || of === undefined ? [] : [{ ...of, number }];
  });
  return { services: numbered, entries };
}

function flagsOfGone({ destinations, services }: NumberSet): { dead: Uint8Array; deadServices: Uint8Array } {
  return { dead: flagsOf(destinations), deadServices: flagsOf(services) };
}

/**
 * Returns the fallbacks of a service that are not needed. The next connection of a persistent client of theirs is
 * scheduled, as IPVS does when keepalived takes the sorry server out (ip_vs_check_template() in ip_vs_conn.c).
 */
function unneededOf({ name, destinations }: CompiledService, numbering: Numbering): DestinationNumber[] {
  return destinations
    .filter(isUnneededFallback)
    .flatMap(({ address }) => numbering.get(name)?.destinations.get(address) ?? []);
}

function ringOptions(
  { service, ring }: CompiledService,
  number: number,
): { service: number; scheduler: number; length: number; withPort: boolean } {
  const scheduler = layout.scheduler[PROGRAM_SCHEDULER[service.scheduler]];
  return { service: number, scheduler, length: ring?.length ?? 0, withPort: hashesPort(service) };
}

/** @param fill by number of used entries, how many buckets have so many */
function tableStatistics(fill: Uint32Array, bytes: number, most: number): Omit<TableStatistics, 'full'> {
  const ways = fill.length - 1;
  const buckets = fill.reduce((sum, count) => sum + count, 0);
  const used = fill.reduce((sum, count, entries) => sum + count * entries, 0);
  return { entries: buckets * ways, most, used, fullBuckets: fill[ways] ?? 0, bytes };
}
