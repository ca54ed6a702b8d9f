/** The timeouts of flows by state, in the program's units of time. */

import { type Image, TIMEOUT_OF } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { FLOW_STATES, type FlowState } from '../../layout/index.js';
import { type ServicePolicy, type Timeouts, withDefaults } from '../../model/index.js';
import { unitsOf } from './clock.js';

/** Returns the timeouts of a service's flows, by state; 0 if a number is no state of a flow. */
export function timeoutsOf(
  { timeouts: own, persistence }: Pick<ServicePolicy, 'timeouts' | 'persistence'>,
  common: Timeouts,
): Uint32Array<ArrayBuffer> {
  const timeouts = withDefaults(common, own);
  const units = new Uint32Array(FLOW_STATES);
  for (const [state, name] of Object.entries(TIMEOUT_OF)) {
    units[layout.flowState[state as FlowState]] = unitsOf(timeouts[name]);
  }
  // Templates from when the service was persistent are over; 0 would mean that they never are.
  const template = persistence === undefined ? 1 : unitsOf(persistence.timeout);
  units[layout.flowState.template] = template;
  units[layout.flowState['template-new']] = template;
  return units;
}

/** Returns the longest timeout of all services and ghosts, by state. */
export function longestTimeouts({ services, ghosts, timeouts }: Image): Uint32Array<ArrayBuffer> {
  const longest = new Uint32Array(FLOW_STATES);
  longest[layout.flowState.busy] = 0xffff_ffff;
  for (const policy of [...services.map(({ service }) => service), ...ghosts.map((ghost) => ghost.policy)]) {
    timeoutsOf(policy, timeouts).forEach((units, state) => {
      longest[state] = Math.max(longest[state]!, units);
    });
  }
  return longest;
}
