/** How long flows last without a packet, by their state. */

import type { FlowState } from '../layout/index.js';
import { type ServicePolicy, type Timeouts, withDefaults } from '../model/index.js';

/** The name of each state's configured timeout; templates have the persistence timeout of their service instead. */
export const TIMEOUT_OF: Partial<Record<FlowState, keyof Timeouts>> = {
  'syn-recv': 'synReceived',
  unconfirmed: 'established',
  established: 'established',
  'fin-wait': 'finWait',
  'time-wait': 'timeWait',
  close: 'close',
  'udp-new': 'udp',
  udp: 'udp',
  'udp-lasting': 'udp',
  'established-lasting': 'established',
};

/** Returns after how many seconds without a packet a flow in this state ends. */
export function timeoutSeconds(
  { timeouts: own, persistence }: Pick<ServicePolicy, 'timeouts' | 'persistence'>,
  common: Timeouts,
  state: FlowState,
): number {
  const name = TIMEOUT_OF[state];
  return name === undefined ? (persistence?.timeout ?? 0) : withDefaults(common, own)[name];
}
