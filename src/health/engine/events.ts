/** What the checker tells of, for the log and hooks. */

import type { IpAddress } from '../../model/index.js';
import type { Advice } from '../advice.js';
import type { Outcome } from '../outcome.js';
import type { StepReport } from './exchange.js';

interface OfServer {
  /** serviceName() */
  readonly service: string;
  readonly address: IpAddress;
}

interface OfCheck extends OfServer {
  /** CheckReport.label */
  readonly label: string;
}

export type Transition =
  /** A check went down or up. `damped`: it stays down until it is steady. */
  | (OfCheck & { readonly kind: 'check'; readonly isUp: boolean; readonly outcome: Outcome; readonly damped: boolean })
  /** The real server went down or up. `check` is the label of the one that decided, and `outcome` its result. */
  | (OfServer & {
      readonly kind: 'server';
      readonly isUp: boolean;
      readonly check: string;
      readonly outcome: Outcome;
      readonly reason?: undefined;
    })
  /** The same by another model, and by no result. `reason`: "its checks were changed". */
  | (OfServer & {
      readonly kind: 'server';
      readonly isUp: boolean;
      readonly reason: string;
      readonly check?: undefined;
    })
  /** Why a check cannot be made, from now on; undefined: it can be made again, or is removed. */
  | (OfCheck & { readonly kind: 'trouble'; readonly trouble: string | undefined; readonly isRemoved?: true })
  /** What is to be said although a check passes; undefined: no more. */
  | (OfCheck & { readonly kind: 'warning'; readonly warning: string | undefined; readonly isRemoved?: true })
  /** An agent, or a file, says something else than before; undefined: nothing any more. */
  | (OfCheck & { readonly kind: 'advice'; readonly advice: Advice | undefined })
  /** Another model does not have a check that was down. */
  | (OfCheck & { readonly kind: 'check-removed' })
  /** The same of a real server. */
  | (OfServer & { readonly kind: 'server-removed' });

/** A run of a check beside its schedule. */
export interface NowReport {
  readonly label: string;
  /** Undefined: it could not be made, or gives advice alone. */
  readonly outcome?: Outcome | undefined;
  readonly advice?: Advice | undefined;
  readonly warning?: string | undefined;
  readonly trouble?: string | undefined;
  /** The turns of checks that the wire makes. */
  readonly steps: readonly StepReport[];
}
