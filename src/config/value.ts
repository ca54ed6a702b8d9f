/** The plain values of a configuration file. Pure. */

/** A value in the file. */
export type Value = string | number | boolean | readonly Value[] | Mapping;
export interface Mapping {
  readonly [key: string]: Value;
}

/** Returns a mapping without what is undefined. */
export function mapping(values: Readonly<Record<string, unknown>>): Mapping {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Mapping;
}

export function isMapping(value: Value | undefined): value is Mapping {
  return typeof value === 'object' && !Array.isArray(value);
}
