/** A problem of a configuration, at a place in the document. */

/** The keys and indices from the top of the document to a value. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  /** Completes "services[0].port …": "must be a whole number from 0 to 65535". */
  readonly message: string;
  /** Whether the key is the problem, not its value. */
  readonly atKey?: boolean;
}
