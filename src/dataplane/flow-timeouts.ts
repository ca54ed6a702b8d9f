/** After how long without a packet flows are over, by state, in the data path's units. Pure. */

import { type Image, TIMEOUT_OF } from '../image/index.js';
import * as layout from '../layout/index.js';
import { FLOW_STATES, type FlowState } from '../layout/index.js';
import { type Service, type Timeouts, withDefaults } from '../model/index.js';
import { unitsOf } from './clock.js';

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
