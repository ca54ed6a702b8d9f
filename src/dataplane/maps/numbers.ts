/** Gives numbers in the maps to services and destinations, and reads who has which. */

import {
  decodeGhosts,
  decodeNumbering,
  type DestinationNumber,
  type Ghost,
  type ServiceNumber,
  type IdentityTable,
  type Numbering,
} from '../../image/index.js';
import * as layout from '../../layout/index.js';
import type { MapMemory } from './memory.js';

/** Gives a number to the service with an identity, its counters at zero; to none if `identity` is undefined. */
export function setService(memory: MapMemory, number: ServiceNumber, identity: Uint8Array | undefined): void {
  setIdentity(memory, 'serviceIdentities', number, identity);
  beginService(memory, number);
}

/** Sets a service's counters to zero, and its scheduler to the beginning. */
export function beginService(memory: MapMemory, number: ServiceNumber): void {
  const { byteLength } = layout.serviceVerdicts;
  memory.zero('cursors', 0, number * layout.cursor.byteLength, layout.cursor.byteLength);
  for (let row = 0; row < memory.elements('serviceVerdicts'); row += 1) {
    memory.zero('serviceVerdicts', row, number * byteLength, byteLength);
  }
}

/** Gives a number to the destination with an identity; see setService. */
export function setDestination(memory: MapMemory, number: DestinationNumber, identity: Uint8Array | undefined): void {
  setIdentity(memory, 'destinationIdentities', number, identity);
  memory.zero('loads', 0, number * layout.load.byteLength, layout.load.byteLength);
  beginDestination(memory, number);
}

/** Sets a destination's counters to zero; its load is that of its flows. */
export function beginDestination(memory: MapMemory, number: DestinationNumber): void {
  const { byteLength } = layout.counter;
  const { member } = layout.load;
  memory.zero('loads', 0, number * layout.load.byteLength + member.offset, member.size);
  for (let row = 0; row < memory.elements('destinationCounters'); row += 1) {
    memory.zero('destinationCounters', row, number * byteLength, byteLength);
  }
}

type IdentityMap = 'serviceIdentities' | 'destinationIdentities';

function setIdentity(memory: MapMemory, key: IdentityMap, number: number, identity: Uint8Array | undefined): void {
  memory.write(key, number, 0, identity ?? new Uint8Array(layout.identity.byteLength));
}

/** Reads the numbering of services and destinations, as an earlier process left it. */
export function readNumbering(memory: MapMemory): Numbering {
  return decodeNumbering(tableOf(memory, 'serviceIdentities'), tableOf(memory, 'destinationIdentities'));
}

/** Reads the ghosts that all services would be whose numbers an earlier process left. */
export function readGhosts(memory: MapMemory): ReadonlyMap<string, Ghost> {
  return decodeGhosts(tableOf(memory, 'serviceIdentities'));
}

function tableOf(memory: MapMemory, key: IdentityMap): IdentityTable {
  const stride = memory.stride(key);
  return { bytes: memory.read(key, 0, 0, memory.elements(key) * stride), stride };
}
