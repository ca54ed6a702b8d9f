/** What BTF cannot say of the director's tables, for those who look into them: lengths, and what some bytes are. */

import * as layout from './generated.js';

/** An array that is declared without a length: where it stands in its table, and how long it is. */
export interface TableArray {
  readonly member: string;
  readonly offset: number;
  readonly length: number;
}

/** By "struct.member": what the bytes are, where the name does not tell. */
export const PLACE_MEANINGS: ReadonlyMap<string, 'address' | 'mac'> = new Map([
  ['destinations.directors', 'mac'],
  ['destinations.own_mac', 'mac'],
  // IPv4 addresses stand in the first four bytes.
  ['identity.address', 'address'],
]);

/** Tables of two elements, of which packets read the one that `control.active` names. */
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
 * Where the arrays of a table really stand. Undefined for tables that have no more than one, which BTF tells.
 *
 * @param valueSizeOf the size in bytes of another table's elements, of the same director
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
  // There are as many ways out as destinations.
  const length = egresses / layout.egress.byteLength;
  const slots = (size - slotsOffset(length)) / layout.destinations.slot.stride;
  return Number.isInteger(slots) && slots >= 0
    ? [
        { member: 'entry', offset: layout.destinations.byteLength, length },
        { member: 'numbered', offset: numberedOffset(length), length },
        { member: 'slot', offset: slotsOffset(length), length: slots },
      ]
    : undefined;
}

/** Where in the table of destinations they stand by their numbers. */
export function numberedOffset(destinations: number): number {
  return layout.destinations.byteLength + destinations * layout.destination.byteLength;
}

/** Where in the table of destinations the rings begin. */
export function slotsOffset(destinations: number): number {
  return numberedOffset(destinations) + destinations * layout.destination.byteLength;
}
