/** An entry of a flow table: its fields and its bytes. */

import { type DestinationNumber, destinationNumber, type ServiceNumber, serviceNumber } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { type FlowState, flowStateOf } from '../../layout/index.js';
import { type Family, type IpAddress, ipFromBytes } from '../../model/index.js';
import { secondsOf } from './clock.js';

/** One flow, or template of persistence. */
export interface FlowEntry {
  /** The numbers of its service and destination. */
  readonly service: ServiceNumber;
  readonly destination: DestinationNumber;
  readonly client: IpAddress;
  readonly clientPort: number;
  /** The virtual port; 0 in a template. */
  readonly port: number;
  readonly state: FlowState;
  /** The program's time of its last packet. */
  readonly time: number;
  /** The time since then. */
  readonly idleSeconds: number;
}

/** The data word of an entry: flow_data() in bpf/flow_entry.h. */
export interface FlowData {
  /** The virtual port. */
  readonly port: number;
  readonly state: FlowState;
  /** The number of the destination. */
  readonly number: DestinationNumber;
  readonly idleSeconds: number;
}

/** @param now the program's time */
export function decodeFlowData(data: bigint, now: number): FlowData {
  const { port, state, number, age } = layout.flowDataOf(data, now);
  // The port is in network byte order.
  return {
    port: ((port & 0xff) << 8) | (port >> 8),
    state: flowStateOf(state),
    number: destinationNumber(number),
    idleSeconds: secondsOf(age),
  };
}

export function entryBytes(family: Family): number {
  return (family === 4 ? layout.flow4 : layout.flow6).byteLength;
}

/** Decodes struct flow4 or struct flow6. */
export function decodeFlow(bytes: Uint8Array, family: Family, now: number): FlowEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rest = family === 4 ? { port: 4, service: 6 } : { port: 16, service: 18 };
  const data = view.getBigUint64(bytes.byteLength - 8, true);
  const { port, state, number, idleSeconds } = decodeFlowData(data, now);
  return {
    client: ipFromBytes(bytes.subarray(0, family === 4 ? 4 : 16)),
    clientPort: view.getUint16(rest.port),
    service: serviceNumber(view.getUint16(rest.service, true)),
    port,
    destination: number,
    time: Number(data & BigInt(layout.flowField['time-mask'])),
    state,
    idleSeconds,
  };
}
