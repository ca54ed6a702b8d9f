/** The fields of the word that a flow's entry holds beside its key: flow_data() in bpf/flow_entry.h. */

import { flowField } from './generated.js';

export interface FlowData {
  /** The virtual port, as it lies in the packet. */
  readonly port: number;
  /** The destination's. */
  readonly number: number;
  /** A number of enum flow_state. */
  readonly state: number;
  /** The units since the last packet; 0 when that is ahead of `now`. */
  readonly age: number;
}

const field = (data: bigint, bits: number, mask: number): number => Number((data >> BigInt(bits)) & BigInt(mask));

/** @param now the data path's time */
export function flowDataOf(data: bigint, now: number): FlowData {
  const time = flowField['time-mask'];
  const age = (now - field(data, 0, time)) & time;
  return {
    port: field(data, flowField['port-shift'], 0xffff),
    number: field(data, flowField['number-shift'], flowField['number-mask']),
    state: field(data, flowField['state-shift'], flowField['state-mask']),
    age: age > time >>> 1 ? 0 : age,
  };
}
