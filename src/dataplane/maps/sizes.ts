/** The sizes of the maps: from a geometry to bytes, and from bytes to the geometry. */

import type { Geometry } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { numberedOffset, slotsOffset } from '../../layout/index.js';
import { BeelineError } from '../../model/index.js';
import type { MapKey } from './names.js';

/** The verifier takes no index into a larger map value (BPF_MAX_VAR_OFF in linux/bpf_verifier.h). */
const MAX_VALUE_BYTES = 2 ** 29;

/**
 * Returns the size in bytes of the elements of each map that depends on the geometry.
 *
 * @throws BeelineError `TABLE_FULL` if the kernel takes none so large
 */
export function valueSizesFor(
  geometry: Geometry,
): Partial<Record<MapKey, number>> & Record<'flows4' | 'flows6', number> {
  const destinations = slotsOffset(geometry.destinations) + geometry.slots * layout.destinations.slot.stride;
  if (destinations >= MAX_VALUE_BYTES) {
    throw new BeelineError(
      'TABLE_FULL',
      `the rings need ${(destinations / 1e9).toFixed(1)} GB; the kernel takes half a GB`,
      { hint: 'Give the services fewer "slots".' },
    );
  }
  return {
    services4: layout.services4.byteLength + geometry.services4 * layout.service4.byteLength,
    services6: layout.services6.byteLength + geometry.services6 * layout.service6.byteLength,
    destinations,
    egresses: geometry.destinations * layout.egress.byteLength,
    destinationCounters: geometry.destinations * layout.counter.byteLength,
    serviceVerdicts: geometry.services * layout.serviceVerdicts.byteLength,
    policies: geometry.services * layout.policy.byteLength,
    candidates: geometry.destinations * layout.candidate.byteLength + layout.candidates.byteLength,
    flows4: geometry.flows4 * layout.flow4.byteLength,
    flows6: geometry.flows6 * layout.flow6.byteLength,
    loads: geometry.destinations * layout.load.byteLength,
    cursors: geometry.services * layout.cursor.byteLength,
  };
}

/** @param valueSizeOf the size in bytes of a map's elements */
export function geometryOf(valueSizeOf: (key: MapKey) => number): Geometry {
  const entries = (key: MapKey, header: number, bytes: number): number => (valueSizeOf(key) - header) / bytes;
  const destinations = entries('egresses', 0, layout.egress.byteLength);
  return {
    services4: entries('services4', layout.services4.byteLength, layout.service4.byteLength),
    services6: entries('services6', layout.services6.byteLength, layout.service6.byteLength),
    slots: entries('destinations', slotsOffset(destinations), layout.destinations.slot.stride),
    destinations,
    services: entries('serviceVerdicts', 0, layout.serviceVerdicts.byteLength),
    flows4: entries('flows4', 0, layout.flow4.byteLength),
    flows6: entries('flows6', 0, layout.flow6.byteLength),
  };
}

/** The tables that packets read one of two copies of. `slots` and `numbered` are parts of the map of destinations. */
export type CopiedTable =
  'services4' | 'services6' | 'slots' | 'destinations' | 'numbered' | 'egresses' | 'nics' | 'policies' | 'candidates';

/** Returns the map that a table is in, and where it begins in a copy. */
export function placeOfTable(table: CopiedTable, { destinations }: Geometry): { map: MapKey; offset: number } {
  switch (table) {
    case 'slots':
      return { map: 'destinations', offset: slotsOffset(destinations) };
    case 'numbered':
      return { map: 'destinations', offset: numberedOffset(destinations) };
    default:
      return { map: table, offset: 0 };
  }
}
