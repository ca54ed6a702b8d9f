/** The oracle's tables and memory: the twin of bpf/maps.h, without the limits that the program's tables have. */

import type { CompiledService, Image } from '../image/index.js';
import { feature, type FlowState } from '../layout/index.js';
import type { IpAddress } from '../model/index.js';
import type { Entry } from './flow_entry.js';
import type { Client, ParsedPacket } from './parse.js';

/** A destination's flows, and whether it is over its threshold. */
export interface Load {
  readonly active: number;
  readonly inactive: number;
  readonly overloaded: boolean;
  /** lblcr: the destination's turn among those in use; 0 when it is not in use. */
  readonly member: number;
}

export interface RecalledLoad extends Load {
  readonly persistent: number;
}

/** A flow, or a template, that is remembered already. */
export interface RecalledFlow {
  readonly state: FlowState;
  /** Undefined when no destination of the service has its number any more. */
  readonly address: IpAddress | undefined;
}

/** A first fragment that is remembered already. */
export type RecalledFragment = Pick<ParsedPacket, 'protocol' | 'ports' | 'firstWent' | 'byFirst' | 'firstService'>;

/** The state that an oracle begins with. The oracle asks it for entries that it has not seen itself. */
export interface Recall {
  /** @param owner the name under which flows to this VIP have their number: see flowOwnerName() */
  flow(service: Pick<CompiledService, 'name'>, owner: string, client: Client, port: number): RecalledFlow | undefined;
  template(service: CompiledService, client: Client): RecalledFlow | undefined;
  cursor(service: CompiledService): Cursor;
  load(service: CompiledService, address: IpAddress): RecalledLoad;
  /** @param id IPv4: protocol and id; IPv6: id */
  fragment(source: Uint8Array, destination: Uint8Array, id: string): RecalledFragment | undefined;
}

/** How far a service's scheduler has come. */
export interface Cursor {
  readonly count: bigint;
  /** lblc: the destination in use. */
  readonly cached: IpAddress | undefined;
}

/** The state that an oracle keeps from packet to packet and from image to image. */
export interface Memory {
  /** First fragments. */
  readonly fragments: Map<string, RecalledFragment>;
  /** When a client's bucket of ICMP errors is full again, in seconds; by '', that of all clients. */
  readonly answers: Map<string, number>;
  /** Flows by flowKey(), templates by templateKey(). */
  readonly flows: Map<string, Entry>;
  /** By service. */
  readonly cursors: Map<string, Cursor>;
  /** The destinations that lblcr has in use, by "service address": the turn in which each joined. */
  readonly members: Map<string, number>;
  /** The destinations over their threshold. */
  readonly overloaded: Set<string>;
  readonly loads: Map<string, { active: number; inactive: number; persistent: number }>;
  /** How many flows were ever stored. */
  stored: number;
}

/** The tables of one image, and what is remembered beside them. */
export interface Maps {
  readonly image: Image;
  readonly memory: Memory;
  readonly recall: Recall | undefined;
  /** The time in seconds. */
  readonly now: () => number;
}

export function emptyMemory(): Memory {
  return {
    fragments: new Map(),
    answers: new Map(),
    flows: new Map(),
    cursors: new Map(),
    members: new Map(),
    overloaded: new Set(),
    loads: new Map(),
    stored: 0,
  };
}

export function uses(image: Image, name: keyof typeof feature): boolean {
  return (image.features & feature[name]) !== 0;
}
