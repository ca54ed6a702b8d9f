/** Brings over to larger maps what the old ones hold: counters, loads, cursors, flows, and whose numbers were whose. */

import { type DestinationNumber, type Numbering, type NumberSet, serviceNumber } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { addon } from '../../native/index.js';
import { carryCounters } from '../counters.js';
import { carryCursor, carryLoad } from '../maps/loads.js';
import type { MapSet } from '../maps/map-set.js';
import { FLOW_TABLES } from '../maps/names.js';

/** Returns all numbers in use. */
export function numbersIn(numbering: Numbering): NumberSet {
  return {
    services: [...numbering.values()].map(({ number }) => number),
    destinations: [...numbering.values()].flatMap(({ destinations }) => [...destinations.values()]),
  };
}

/** Returns the numbers that belong to the same service or destination in both, and service 0, whose counters go on. */
export function keptNumbers(before: Numbering, after: Numbering): NumberSet {
  const services = [serviceNumber(0)];
  const destinations: DestinationNumber[] = [];
  for (const [name, { number, destinations: now }] of after) {
    const then = before.get(name);
    if (then?.number === number) {
      services.push(number);
      destinations.push(
        ...[...now].filter(([address, each]) => then.destinations.get(address) === each).map(([, each]) => each),
      );
    }
  }
  return { services, destinations };
}

/** Adds up the old counters in a row of the new maps. A later call replaces the result of an earlier one. */
export function carryAllCounters(from: MapSet, to: MapSet, { services, destinations }: NumberSet): void {
  const { geometry } = from;
  carryCounters('destinationCounters', from.memory, to.memory, geometry.destinations, destinations);
  carryCounters('serviceVerdicts', from.memory, to.memory, geometry.services, services);
}

/** Copies the state of schedulers, so that the new maps begin where the old ones are. */
export function carryLoads(from: MapSet, to: MapSet, { services, destinations }: NumberSet): void {
  for (const number of services) {
    carryCursor(from.memory, to.memory, number);
  }
  for (const number of destinations) {
    carryLoad(from.memory, to.memory, number);
  }
}

/** Copies the identities of numbers, as far as the new maps have room for them. */
export function carryIdentities(from: MapSet, to: MapSet, { services, destinations }: NumberSet): void {
  for (const [key, numbers] of [
    ['serviceIdentities', services],
    ['destinationIdentities', destinations],
  ] as const) {
    for (const number of numbers.filter((each) => each < to.memory.elements(key))) {
      to.memory.write(key, number, 0, from.memory.read(key, number, 0, layout.identity.byteLength));
    }
  }
}

/** Copies the flows of tables that both sets do not share. Resolves to the number of flows that found no room. */
export async function copyFlows(from: MapSet, to: MapSet): Promise<number> {
  let lost = 0;
  for (const key of FLOW_TABLES) {
    const family = key === 'flows4' ? 4 : 6;
    if (from.geometry[key] !== to.geometry[key]) {
      lost += await addon.copyFlows({
        from: from.memory.mapping(key).native,
        fromEntries: from.flowEntries(family),
        to: to.memory.mapping(key).native,
        toEntries: to.control.flowExtents(family).present,
        family,
        secret: to.control.hashSecret,
      });
    }
  }
  return lost;
}
