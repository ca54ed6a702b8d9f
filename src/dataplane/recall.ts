/** What the data path remembers at this moment, read from its tables: where an oracle is to begin. */

import { type CompiledService, isSequence, type Numbering, persistenceMask } from '../image/index.js';
import * as layout from '../layout/index.js';
import { type IpAddress, PROTOCOL_NUMBERS, PROTOCOLS } from '../model/index.js';
import type { Client, Recall, RecalledFragment, RecalledLoad } from '../oracle/index.js';
import { findFlow } from './flow-place.js';
import { type FlowEntry, flowNow } from './flows.js';
import type { MapSet } from './map-set.js';

/** How many units of time a fragment is remembered, and the bits that its time has. */
const { seconds: FRAGMENT_UNITS, 'time-mask': FRAGMENT_TIME_MASK } = layout.fragmentTable;

/** Of one set of maps. What it gives is of the moment when it is asked. */
export class LiveRecall implements Recall {
  readonly #set: MapSet;
  readonly #numbering: Numbering;
  readonly #now: number;

  constructor(set: MapSet, numbering: Numbering) {
    this.#set = set;
    this.#numbering = numbering;
    this.#now = flowNow(set);
  }

  flow(
    service: CompiledService,
    owner: string,
    { address, port: clientPort }: Client,
    port: number,
  ): ReturnType<Recall['flow']> {
    return this.#find(service, owner, address, clientPort, port, false);
  }

  template(service: CompiledService, { address }: Client): ReturnType<Recall['template']> {
    const mask = persistenceMask(service.service);
    const masked = address.map((byte, i) => byte & mask[i]!);
    return this.#find(service, service.name, masked, 0, 0, true);
  }

  #find(
    service: CompiledService,
    owner: string,
    client: Uint8Array,
    clientPort: number,
    port: number,
    template: boolean,
  ): ReturnType<Recall['flow']> {
    const numbers = this.#numbering.get(service.name);
    const number = this.#numbering.get(owner)?.number;
    if (numbers === undefined || number === undefined) {
      return undefined;
    }
    const { flows4, flows6 } = this.#set.flowMemory;
    const [family, memory] = client.length === 4 ? ([4, flows4] as const) : ([6, flows6] as const);
    const table = { family, memory, secret: this.#set.flowSecret, now: this.#now };
    const entry = findFlow(table, { service: number, client, clientPort, port, template });
    return entry && { ...entry, address: addressOf(numbers.destinations, entry) };
  }

  cursor(service: CompiledService): ReturnType<Recall['cursor']> {
    const numbers = this.#numbering.get(service.name);
    if (numbers === undefined) {
      return { count: 0n, cached: undefined };
    }
    const { count, cached } = this.#set.cursor(numbers.number);
    const base = isSequence(service) ? this.#set.sequenceBase(numbers.number) : 0;
    return { count: count + BigInt(base), cached: nameOf(numbers.destinations, cached) };
  }

  load(service: CompiledService, address: IpAddress): RecalledLoad {
    const number = this.#numbering.get(service.name)?.destinations.get(address) ?? 0;
    const { byteLength, flows, overload, member } = layout.load;
    const { loads } = this.#set.flowMemory;
    const word = (offset: number): number => loads.load32(number * byteLength + offset);
    return {
      active: word(flows.offset),
      inactive: word(flows.offset + flows.stride),
      persistent: word(flows.offset + 2 * flows.stride),
      overloaded: word(overload.offset) !== 0,
      member: word(member.offset),
    };
  }

  fragment(source: Uint8Array, destination: Uint8Array, id: string): RecalledFragment | undefined {
    const found = source.length === 4 ? fragments4(this.#set) : fragments6(this.#set);
    const now = this.#now & FRAGMENT_TIME_MASK;
    for (const each of found) {
      if (
        each.id === id &&
        ((now - each.time) & FRAGMENT_TIME_MASK) <= FRAGMENT_UNITS &&
        Buffer.compare(each.source, source) === 0 &&
        Buffer.compare(each.destination, destination) === 0
      ) {
        return each;
      }
    }
    return undefined;
  }
}

/** '' for a destination that the service has no more: an address that nobody has. */
function addressOf(destinations: ReadonlyMap<IpAddress, number>, { destination }: FlowEntry): IpAddress {
  return nameOf(destinations, destination) ?? '';
}

function nameOf(destinations: ReadonlyMap<IpAddress, number>, number: number): IpAddress | undefined {
  return [...destinations].find(([, each]) => each === number && number !== 0)?.[0];
}

interface StoredFragment extends RecalledFragment {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly id: string;
  readonly time: number;
}

/** struct fragment4: the first word is XORed with the second; its half is the source, then the destination. */
function* fragments4(set: MapSet): Generator<StoredFragment> {
  const { bytes, view } = set.readFragments('fragments4');
  for (let at = 0; at < bytes.length; at += layout.fragment4.byteLength) {
    const second = view.getBigUint64(at + 8, true);
    view.setBigUint64(at, view.getBigUint64(at, true) ^ second, true);
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at + 10]);
    if (second !== 0n && protocol !== undefined) {
      yield {
        protocol,
        ports: { source: view.getUint16(at + 12), destination: view.getUint16(at + 14) },
        source: bytes.subarray(at, at + 4),
        destination: bytes.subarray(at + 4, at + 8),
        id: `${PROTOCOL_NUMBERS[protocol]} ${view.getUint16(at + 8)}`,
        time: bytes[at + 11]!,
      };
    }
  }
}

/** struct fragment6: addresses; id and ports; protocol and time; the XOR of all, by which a torn entry is told. */
function* fragments6(set: MapSet): Generator<StoredFragment> {
  const { bytes, view } = set.readFragments('fragments6');
  for (let at = 0; at < bytes.length; at += layout.fragment6.byteLength) {
    const sum = [0, 1, 2, 3, 4, 5].reduce((xor, i) => xor ^ view.getBigUint64(at + i * 8, true), 0n);
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at + 40]);
    if (protocol !== undefined && sum === view.getBigUint64(at + 56, true)) {
      yield {
        protocol,
        ports: { source: view.getUint16(at + 36), destination: view.getUint16(at + 38) },
        source: bytes.subarray(at, at + 16),
        destination: bytes.subarray(at + 16, at + 32),
        id: String(view.getUint32(at + 32)),
        time: bytes[at + 41]!,
      };
    }
  }
}
