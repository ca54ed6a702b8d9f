/** Finds one flow in its table, by the arithmetic of bpf/flow_lookup.h. */

import { FLOW_WAYS } from '../../image/index.js';
import type { FlowState } from '../../layout/index.js';
import type { Mapping } from '../../libbpf/index.js';
import type { Family } from '../../model/index.js';
import { flowHash, secondFlowHash } from '../../oracle/index.js';
import type { FlowExtents } from '../maps/control.js';
import { decodeFlow, entryBytes, type FlowEntry } from './entry.js';

const TEMPLATE_STATES: ReadonlySet<FlowState> = new Set(['template-new', 'template', 'template-lasting']);

/** A flow table. */
export interface FlowTable {
  readonly family: Family;
  readonly memory: Mapping;
  readonly extents: FlowExtents;
  /** Spreads flows over the table. */
  readonly secret: BigUint64Array;
  /** The program's time. */
  readonly now: number;
}

/** Identifies the entry of a flow or template. */
export interface FlowKey {
  /** The service's number. */
  readonly service: number;
  /** 4 or 16 bytes. */
  readonly client: Uint8Array;
  readonly clientPort: number;
  /** The virtual port. */
  readonly port: number;
  readonly template: boolean;
}

/** Returns the entry of a flow or of a template of persistence. */
export function findFlow({ family, memory, extents, secret, now }: FlowTable, key: FlowKey): FlowEntry | undefined {
  const byteLength = entryBytes(family);
  const ways = family === 4 ? FLOW_WAYS.ipv4 : FLOW_WAYS.ipv6;
  const wanted = keyBytes(key);
  const first = flowHash(wanted, secret);
  for (const bucket of bucketsOf(first, extents, ways)) {
    const entries = memory.read(bucket * ways * byteLength, new Uint8Array(ways * byteLength));
    for (let at = 0; at < entries.length; at += byteLength) {
      const bytes = entries.subarray(at, at + byteLength);
      if (Buffer.compare(bytes.subarray(0, wanted.length), wanted) === 0) {
        const entry = decodeFlow(bytes, family, now);
        const isTemplate = TEMPLATE_STATES.has(entry.state);
        const isLive = entry.state !== 'free' && entry.state !== 'busy';
        if (isLive && entry.port === key.port && isTemplate === key.template) {
          return entry;
        }
      }
    }
  }
  return undefined;
}

/** SPARE_HASHES in bpf/flow_lookup.h. */
const SPARE_HASHES = 3;

/** Returns the buckets that a flow can stand in, in the order in which the program looks. */
function* bucketsOf(hash: bigint, { present, former }: FlowExtents, ways: number): Generator<number> {
  const bucketIn = (each: bigint, entries: number): number => Number((each >> 32n) & BigInt(entries / ways - 1));
  const second = secondFlowHash(hash);
  if (present !== former) {
    yield bucketIn(hash, former);
    yield bucketIn(second, former);
    const forced = BigInt(Math.floor(present / ways / 2)) << 32n;
    for (let i = 0, spare = hash; i < SPARE_HASHES; i += 1) {
      spare = secondFlowHash(secondFlowHash(spare)) | forced;
      yield bucketIn(spare, present);
      yield bucketIn(secondFlowHash(spare) | forced, present);
    }
  }
  yield bucketIn(hash, present);
  yield bucketIn(second, present);
}

/** Encodes an entry without its data: 8 bytes for IPv4, 24 for IPv6. */
function keyBytes({ service, client, clientPort }: FlowKey): Uint8Array {
  const [length, portAt, serviceAt] = client.length === 4 ? [8, 4, 6] : [24, 16, 18];
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(client);
  view.setUint16(portAt, clientPort);
  view.setUint16(serviceAt, service, true);
  return bytes;
}
