/** One check of the doctor: a pure function from what was gathered to what is wrong. */

import type { Facts } from './facts.js';
import type { Finding } from './finding.js';

export interface Check {
  /** Kebab case; the name of its page in docs/doctor/. It never changes. */
  readonly name: string;
  /** What it looks for, in one line. */
  readonly about: string;
  /** Facts that are missing give no findings: `Facts.notLookedAt` says that they are. */
  readonly find: (facts: Facts) => readonly Finding[];
}
