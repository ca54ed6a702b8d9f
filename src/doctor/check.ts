/** One check of the doctor: a pure function from what was gathered to what is wrong. */

import type { Facts } from './facts.js';
import type { Finding } from './finding.js';

/** The parts of the facts that are gathered each by itself; what is known of the director is always there. */
export const PARTS = ['network', 'host', 'cards', 'firewall', 'probes', 'remote'] as const;
export type Part = (typeof PARTS)[number];

export interface Check {
  /** Kebab case; the name of its page in docs/doctor/. It never changes. */
  readonly name: string;
  /** What it looks for, in one line. */
  readonly about: string;
  /** What it looks at: nothing else needs to be gathered for it. */
  readonly reads: readonly Part[];
  /** Facts that are missing give no findings: `Facts.notLookedAt` says that they are. */
  readonly find: (facts: Facts) => readonly Finding[];
}
