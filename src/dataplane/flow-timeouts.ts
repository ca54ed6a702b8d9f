/** After how long without a packet flows are over, by state, in the data path's units. Pure. */

import { withDefaults, type Service, type Timeouts } from '../model/index.js';
import { unitsOf } from './clock.js';
import type { Image } from './compile.js';
import * as layout from './layout.generated.js';

export type FlowState = keyof typeof layout.flowState;

/** States that fit the four bits of an entry. */
export const FLOW_STATES = 16;

/** Which timeout goes with which state; templates have their service's. */
const TIMEOUT_OF: Partial<Record<FlowState, keyof Timeouts>> = {
  'syn-recv': 'synReceived',
  unconfirmed: 'established',
  established: 'established',
  'fin-wait': 'finWait',
  'time-wait': 'timeWait',
  close: 'close',
  'udp-new': 'udp',
  udp: 'udp',
};

/** In the data path's units, by state; 0 for what is no state of a flow. */
export function timeoutsOf({ timeouts: own, persistence }: Service, common: Timeouts): Uint32Array<ArrayBuffer> {
  const timeouts = withDefaults(common, own);
  const units = new Uint32Array(FLOW_STATES);
  for (const [state, name] of Object.entries(TIMEOUT_OF)) {
    units[layout.flowState[state as FlowState]] = unitsOf(timeouts[name]);
  }
  // Templates that a service has left from when it was persistent are over; 0 would be never.
  const template = persistence === undefined ? 1 : unitsOf(persistence.timeout);
  units[layout.flowState.template] = template;
  units[layout.flowState['template-new']] = template;
  return units;
}

/** After how many seconds without a packet a flow in a state is over. */
export function timeoutSeconds({ timeouts: own, persistence }: Service, common: Timeouts, state: FlowState): number {
  const name = TIMEOUT_OF[state];
  return name === undefined ? (persistence?.timeout ?? 0) : withDefaults(common, own)[name];
}

/** The longest of all services, by state. */
export function longestTimeouts({ services, timeouts }: Image): Uint32Array<ArrayBuffer> {
  const longest = new Uint32Array(FLOW_STATES);
  longest[layout.flowState.busy] = 0xffff_ffff;
  for (const { service } of services) {
    timeoutsOf(service, timeouts).forEach((units, state) => {
      longest[state] = Math.max(longest[state]!, units);
    });
  }
  return longest;
}
