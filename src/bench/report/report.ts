/** Reports of benchmarks: tables and charts, whatever was measured. */

import type { Machine } from '../measure/machine.js';

/** A table. Its first column has names, the others have figures. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A chart with one bar or point for each label and series; bars have one series. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly kind: 'bars' | 'lines';
  /** For values that span orders of magnitude. */
  readonly logarithmic?: boolean;
  readonly labels: readonly string[];
  /** For each label of bars, whether it is Beeline's. */
  readonly highlighted?: readonly boolean[];
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
  /** The spread around each value. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
}

/** A benchmark's result for readers. */
export interface Report {
  readonly title: string;
  readonly machine: Machine;
  /** How it was measured, beside the machine: driver, versions, sizes. */
  readonly facts: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
  /** Sentences below the tables. */
  readonly notes: readonly string[];
}

/** Formats a whole number with commas between thousands. */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}
