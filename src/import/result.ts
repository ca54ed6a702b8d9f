/** The result of every importer: a model, and a report by line. */

import type { Model } from '../model/index.js';

/** A line of a file. */
export interface Place {
  /** Default: the only file of the import. */
  readonly file?: string | undefined;
  /** From 1. */
  readonly line: number;
}

/**
 * What became of a line. `kept`: it says the same in the configuration. `translated`: the configuration says it in other
 * words, or need not say it. `dropped`: the configuration lacks something that the line asks for. `note`: a remark beside that.
 */
export const REMARK_KINDS = ['kept', 'translated', 'dropped', 'note'] as const;
export type RemarkKind = (typeof REMARK_KINDS)[number];

/** A remark on one line. */
export interface Remark extends Place {
  /** The last line of what the remark is about, if that is a block. */
  readonly lastLine?: number | undefined;
  readonly kind: RemarkKind;
  /** Of a line that is kept it may be empty. */
  readonly text: string;
}

export interface Imported {
  readonly model: Model;
  /** In the order of the files and their lines. */
  readonly remarks: readonly Remark[];
}

/** Returns whether the configuration lacks something that a line asked for. */
export function hasLosses({ remarks }: Pick<Imported, 'remarks'>): boolean {
  return remarks.some(({ kind }) => kind === 'dropped');
}
