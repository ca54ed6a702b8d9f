/** The result of every importer. */

import type { Model } from '../model/index.js';

/** A remark on one line of the rules. */
export interface Remark {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** The configuration lacks something that the line asks for. */
  readonly lost: boolean;
}

export interface Imported {
  readonly model: Model;
  readonly remarks: readonly Remark[];
}
