/** A line of a configuration, after comments, conditions and definitions. */

export interface Line {
  readonly file: string;
  /** From 1. Of a line that a definition of several lines has: where it stands there. */
  readonly line: number;
  readonly text: string;
}
