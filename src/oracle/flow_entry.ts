/** A flow's entry and its key: the twin of bpf/flow_entry.h. */

import { type CompiledService, flowOwnerName } from '../image/index.js';
import type { IpAddress } from '../model/index.js';
import { bytesKey, type Client, type Packet } from './parse.js';
import type { LiveState } from './state.js';

/** A flow, or a template of persistence, that is remembered. */
export interface Entry {
  /** The service's name. */
  readonly service: string;
  readonly client: Client;
  /** Undefined when the service no longer has the destination. */
  address: IpAddress | undefined;
  state: LiveState;
  /** The time of the last packet, in seconds. */
  seen: number;
  /** The timeout that held then, in seconds. */
  timeout: number;
}

/** The name under which flows to the packet's VIP have their number. */
export function ownerOf(service: CompiledService, { protocol, vip }: Packet): string {
  return flowOwnerName(service, protocol, vip);
}

export function flowKey(service: CompiledService, packet: Packet): string {
  const { client, ports } = packet;
  return `${ownerOf(service, packet)} ${bytesKey(client)} ${ports.source} ${ports.destination}`;
}

/** The classes that IPVS lists as ActiveConn, InActConn and PersistConn. */
export type FlowClass = 'active' | 'inactive' | 'persistent';

export function classOf(state: LiveState): FlowClass {
  switch (state) {
    case 'syn-recv':
    case 'unconfirmed':
    case 'established':
    case 'established-lasting':
      return 'active';
    case 'template':
    case 'template-new':
    case 'template-lasting':
      return 'persistent';
    default:
      return 'inactive';
  }
}
