/** The timeouts of flows by state, in seconds and in the program's units of time. */

import { type Image, TIMEOUT_OF } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { FLOW_STATES, type FlowState } from '../../layout/index.js';
import { oncePer, type ServicePolicy, type Timeouts, withDefaults } from '../../model/index.js';
import { unitsOf } from './clock.js';

/** The part of a service, or of a ghost, that its timeouts follow from. */
export type TimedPolicy = Pick<ServicePolicy, 'timeouts' | 'persistence'>;

/** The timeouts of a service's flows, in seconds. */
export interface Lifetimes {
  readonly timeouts: Timeouts;
  /** Of its templates; undefined: it is not persistent. */
  readonly template?: number | undefined;
}

/** By the timeouts of all services: those of a service that has none of its own, and of each policy that has. */
const byCommon = oncePer((common: Timeouts) => ({
  plain: { timeouts: withDefaults(common), template: undefined } satisfies Lifetimes,
  own: oncePer(({ timeouts, persistence }: TimedPolicy): Lifetimes => ({
    timeouts: withDefaults(common, timeouts),
    template: persistence?.timeout,
  })),
}));

/** Returns the same object for the same policy, and for all that have no timeouts of their own: thousands of services do. */
export function lifetimesOf(policy: TimedPolicy, common: Timeouts): Lifetimes {
  const { plain, own } = byCommon(common);
  return policy.timeouts === undefined && policy.persistence === undefined ? plain : own(policy);
}

/** Returns a timeout in seconds. */
export function secondsIn({ timeouts, template }: Lifetimes, state: FlowState): number {
  const name = TIMEOUT_OF[state];
  return name === undefined ? (template ?? 0) : timeouts[name];
}

/** Returns the timeouts by state, in units; 0 if a number is no state of a flow. Not to be written to. */
export const unitsIn = oncePer(({ timeouts, template }: Lifetimes): Uint32Array<ArrayBuffer> => {
  const units = new Uint32Array(FLOW_STATES);
  for (const [state, name] of Object.entries(TIMEOUT_OF)) {
    units[layout.flowState[state as FlowState]] = unitsOf(timeouts[name]);
  }
  // Templates from when the service was persistent are over; 0 would mean that they never are.
  const ofTemplates = template === undefined ? 1 : unitsOf(template);
  units[layout.flowState.template] = ofTemplates;
  units[layout.flowState['template-new']] = ofTemplates;
  units[layout.flowState['template-lasting']] = ofTemplates;
  return units;
});

/** Returns the timeouts of a service's flows, by state, in units. */
export function timeoutsOf(service: TimedPolicy, common: Image['timeouts']): Uint32Array<ArrayBuffer> {
  return unitsIn(lifetimesOf(service, common));
}

/** Returns the longest of some timeouts by state, in units. */
export function longestOf(all: Iterable<Lifetimes>): Uint32Array<ArrayBuffer> {
  const longest = new Uint32Array(FLOW_STATES);
  longest[layout.flowState.busy] = 0xffff_ffff;
  for (const each of all) {
    unitsIn(each).forEach((units, state) => {
      longest[state] = Math.max(longest[state]!, units);
    });
  }
  return longest;
}
