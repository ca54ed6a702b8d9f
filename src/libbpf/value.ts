/** Decoded values, and the error for those that do not fit. Pure. */

/**
 * A value. Integers are numbers where these are exact, else bigints; enums are names, flags joined by "|"; strings of
 * `char` are text; pointers, and floats that JSON has no number for, are strings. Structs, and unions with all their
 * members, are objects, arrays are lists.
 */
export type BtfValue = number | bigint | boolean | string | readonly BtfValue[] | BtfRecord;

/** The members of a struct or union; some elements of an array, by index. */
export interface BtfRecord {
  readonly [member: string]: BtfValue;
}

/** A value that does not fit its type, or no such place. Nothing was written. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
  /** What it was about: "entry[5].port"; empty for the whole value. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(path === '' ? message : `${path}: ${message}`);
    this.path = path;
  }
}

export function isList(value: BtfValue): value is readonly BtfValue[] {
  return Array.isArray(value);
}

/** @param value null too, which JSON has and no type */
export function isRecord(value: BtfValue | null): value is BtfRecord {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** What was given instead, in a complaint. */
export function showValue(value: BtfValue): string {
  return typeof value === 'string'
    ? `"${value}"`
    : isList(value)
      ? 'a list'
      : isRecord(value)
        ? 'an object'
        : `${value}`;
}
