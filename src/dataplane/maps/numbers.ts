/** Gives numbers in the maps to services and destinations, and reads who has which. */

import {
  decodeNumbering,
  type DestinationNumber,
  type ServiceNumber,
  type IdentityTable,
  type Numbering,
} from '../../image/index.js';
import * as layout from '../../layout/index.js';
import type { MapMemory } from './memory.js';

/** Gives a number to the service with an identity, its counters at zero; to none if `identity` is undefined. */
export function setService(memory: MapMemory, number: ServiceNumber, identity: Uint8Array | undefined): void {
  const { byteLength } = layout.serviceVerdicts;
  setIdentity(memory, 'serviceIdentities', number, identity);
  memory.zero('cursors', 0, number * layout.cursor.byteLength, layout.cursor.byteLength);
  for (let row = 0; row < memory.elements('serviceVerdicts'); row += 1) {
    memory.zero('serviceVerdicts', row, number * byteLength, byteLength);
  }
}

/** Gives a number to the destination with an identity; see setService. */
export function setDestination(memory: MapMemory, number: DestinationNumber, identity: Uint8Array | undefined): void {
  const { byteLength } = layout.counter;
  setIdentity(memory, 'destinationIdentities', number, identity);
  memory.zero('loads', 0, number * layout.load.byteLength, layout.load.byteLength);
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
  const tableOf = (key: IdentityMap): IdentityTable => {
    const stride = memory.stride(key);
    return { bytes: memory.read(key, 0, 0, memory.elements(key) * stride), stride };
  };
  return decodeNumbering(tableOf('serviceIdentities'), tableOf('destinationIdentities'));
}
