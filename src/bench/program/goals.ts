/** The goals for the XDP program, as differences and ratios within one run. Pure. */

import { round } from '../measure/statistics.js';
import type { CostRow } from './costs.js';

export interface Goal {
  /** What is compared with what. */
  readonly goal: string;
  /** Nanoseconds above a program that does nothing. */
  readonly ns: number;
  /** The most that the goal allows, from other rows of the same run. */
  readonly most: number;
  readonly met: boolean;
}

/** How many dependent reads a packet may wait for its flow's entry. */
const READS = 1.15;

/** Returns the goals whose rows were measured. */
export function goalsOf(rows: readonly Pick<CostRow, 'path' | 'ns' | 'aboveEmptyNs'>[]): Goal[] {
  const above = new Map(rows.map(({ path, aboveEmptyNs }) => [path, aboveEmptyNs]));
  const reads = new Map(rows.map(({ path, ns }) => [path, ns]));
  const goal = (text: string, path: string, most: (of: (name: string) => number) => number): Goal[] => {
    const ns = above.get(path);
    const limit = most((name) => (name.startsWith('dependent-read') ? reads : above).get(name) ?? NaN);
    return ns === undefined || Number.isNaN(limit) ? [] : [{ goal: text, ns, most: round(limit, 1), met: ns <= limit }];
  };
  const tracked = (flows: number, megabytes: number): Goal[] =>
    goal(
      `${flows} tracked flows: one hit, and ${READS} dependent reads of ${megabytes} MB`,
      `tracked-flows-${flows}`,
      (of) => of('tracked-flows-1') + READS * of(`dependent-read-${megabytes}mb`),
    );
  return [
    ...tracked(65_536, 2),
    ...tracked(262_144, 8),
    ...tracked(1 << 20, 32),
    ...goal('a new flow, cached: 4.5 tracked hits', 'new-flow-cached', (of) => 4.5 * of('tracked-flows-1')),
    ...goal(
      'a new flow under wlc, cached: 13 tracked hits',
      'new-flow-wlc-64-cached',
      (of) => 13 * of('tracked-flows-1'),
    ),
    ...goal('a million flows without entries: one hit, and 2 ns', 'flows-1048576', (of) => of('flows-1') + 2),
    ...goal('1,000 services at random: 1.7 hits', 'services-1000-random', (of) => 1.7 * of('flows-1')),
  ];
}
