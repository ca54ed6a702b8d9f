/** The names that the program's enums have in listings, JSON and documentation. */

import * as layout from './generated.js';

/** A verdict's name, for example "no-service". */
export type VerdictName = keyof typeof layout.verdict;

/** All verdicts, in the order of their numbers. */
export const VERDICTS = Object.keys(layout.verdict) as readonly VerdictName[];

/** A flow state's name, for example "syn-recv". */
export type FlowState = keyof typeof layout.flowState;

/** How many states the four bits of a flow's entry can hold. */
export const FLOW_STATES = layout.flowField['state-mask'] + 1;

const STATE_NAMES = new Map<number, FlowState>(
  Object.entries(layout.flowState).map(([name, number]) => [number, name as FlowState]),
);

/** The name of the state with this number; an unknown number is "free". */
export function flowStateOf(number: number): FlowState {
  return STATE_NAMES.get(number) ?? 'free';
}
