/** Facts about the director's tables that BTF does not have: the lengths of arrays, and the meaning of some bytes. */

import * as layout from './generated.js';

/** An array whose length depends on the geometry: where it stands in its table, and how long it is. */
export interface TableArray {
  readonly member: string;
  readonly offset: number;
  readonly length: number;
}

/** By "struct.member": the meaning of bytes that their type does not tell. */
export const PLACE_MEANINGS: ReadonlyMap<string, 'address' | 'mac'> = new Map([
  ['destinations.directors', 'mac'],
  ['destinations.own_mac', 'mac'],
  // IPv4 addresses stand in the first four bytes.
  ['identity.address', 'address'],
]);

/** Tables of two elements. Packets read the element that `control.active` names. */
export const COPIED_TABLES: ReadonlySet<string> = new Set([
  'services4',
  'services6',
  'destinations',
  'egresses',
  'nics',
  'policies',
  'candidates',
]);

/**
 * Finds the arrays of `destinations`, which BTF has as they are with one destination. Undefined for other tables: BTF
 * tells where their only array stands.
 *
 * @param valueSizeOf returns the size in bytes of the elements of another table of the same director
 */
export function tableArrays(
  name: string,
  valueSizeOf: (name: string) => number | undefined,
): readonly TableArray[] | undefined {
  const size = valueSizeOf(name);
  const egresses = valueSizeOf('egresses');
  if (name !== 'destinations' || size === undefined || egresses === undefined) {
    return undefined;
  }
  // There are as many egresses as destinations.
  const length = egresses / layout.egress.byteLength;
  const slots = (size - slotsOffset(length)) / layout.destinations.slot.stride;
  return Number.isInteger(slots) && slots >= 0
    ? [
        { member: 'entry', offset: layout.destinations.entry.offset, length },
        { member: 'numbered', offset: numberedOffset(length), length },
        { member: 'slot', offset: slotsOffset(length), length: slots },
      ]
    : undefined;
}

/** The offset in `destinations` of the entries by their numbers. */
export function numberedOffset(destinations: number): number {
  return layout.destinations.entry.offset + destinations * layout.destination.byteLength;
}

/** The offset in `destinations` of the rings. */
export function slotsOffset(destinations: number): number {
  return numberedOffset(destinations) + destinations * layout.destination.byteLength;
}
