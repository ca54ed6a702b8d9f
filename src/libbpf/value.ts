/** Decoded values, and the error for values that do not fit their type. Pure. */

/**
 * A value. Integers are numbers if these are exact, else bigints. Enums are names, flags joined by "|". Strings of `char` are
 * text. Pointers, and floats that JSON has no number for, are strings. Structs are objects, as are unions, with all their
 * members. Arrays are lists.
 */
export type BtfValue = number | bigint | boolean | string | readonly BtfValue[] | BtfRecord;

/** The members of a struct or union, or some elements of an array by their index. */
export interface BtfRecord {
  readonly [member: string]: BtfValue;
}

/** A value that does not fit its type, or a path that leads nowhere. Nothing was written. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
  /** The path to the value, "entry[5].port"; empty for the whole value. */
  readonly path: string;

  constructor(path: string, message: string) {
    super(path === '' ? message : `${path}: ${message}`);
    this.path = path;
  }
}

export function isList(value: BtfValue): value is readonly BtfValue[] {
  return Array.isArray(value);
}

/** Returns whether a value is an object. @param value may be null, which JSON has and no type */
export function isRecord(value: BtfValue | null): value is BtfRecord {
  return typeof value === 'object' && value !== null && !isList(value);
}

/** Formats a value for an error message. */
export function showValue(value: BtfValue): string {
  return typeof value === 'string'
    ? `"${value}"`
    : isList(value)
      ? 'a list'
      : isRecord(value)
        ? 'an object'
        : `${value}`;
}
