/** Checks that Node.js makes, one by one. */

import type { IpAddress, SlowCheck } from '../../model/index.js';
import type { Advice } from '../advice.js';
import type { Target } from '../kinds/kind.js';
import type { Outcome } from '../outcome.js';
import type { CheckLoop } from '../wire/check-loop.js';

export interface SlowContext {
  readonly target: Target;
  /** Where the connection goes. */
  readonly rip: IpAddress;
  /** The source address, if the check goes over a network. */
  readonly local?: IpAddress;
  /** Gives local ports from which the connection reaches the VIP. Undefined: the check goes to `rip` itself. */
  readonly wire?: CheckLoop;
  readonly timeoutMs: number;
  /** The check is no longer wanted. */
  readonly signal: AbortSignal;
  /** For programs: what is checked. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface SlowResult {
  readonly outcome?: Outcome;
  readonly advice?: Advice;
  /** What is to be said although the check passes. */
  readonly warning?: string;
  /** Why the check could not be made. */
  readonly trouble?: string;
}

export type RunSlow = (check: SlowCheck, context: SlowContext) => Promise<SlowResult>;

export const runSlow: RunSlow = (check) => Promise.resolve({ trouble: `checks by ${check.type} are not there yet` });
