/** Reads what the program remembers now, flows, loads and fragments, so that the oracle begins where it is. */

import { type CompiledService, isSequence, type Numbering, persistenceMask } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { type IpAddress, PROTOCOL_NUMBERS, PROTOCOLS } from '../../model/index.js';
import type { Client, Recall, RecalledFragment, RecalledLoad } from '../../oracle/index.js';
import type { FlowEntry } from '../flows/entry.js';
import { findFlow } from '../flows/find.js';
import { flowNow } from '../flows/flows.js';
import { readCursor } from '../maps/loads.js';
import type { MapSet } from '../maps/map-set.js';

/** How many units of time a fragment is remembered, and the bits of its time. */
const { seconds: FRAGMENT_UNITS, 'time-mask': FRAGMENT_TIME_MASK } = layout.fragmentTable;

/** The memory of one set of maps. Each answer holds for the moment of the question. */
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
    service: Pick<CompiledService, 'name'>,
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
    service: Pick<CompiledService, 'name'>,
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
    const family = client.length === 4 ? 4 : 6;
    const memory = this.#set.memory.mapping(`flows${family}`);
    const table = { family, memory, secret: this.#set.control.hashSecret, now: this.#now } as const;
    const entry = findFlow(table, { service: number, client, clientPort, port, template });
    return entry && { ...entry, address: addressOf(numbers.destinations, entry) };
  }

  cursor(service: CompiledService): ReturnType<Recall['cursor']> {
    const numbers = this.#numbering.get(service.name);
    if (numbers === undefined) {
      return { count: 0n, cached: undefined };
    }
    const { count, cached } = readCursor(this.#set.memory, numbers.number);
    const base = isSequence(service) ? sequenceBase(this.#set, numbers.number) : 0;
    return { count: count + BigInt(base), cached: nameOf(numbers.destinations, cached) };
  }

  load(service: CompiledService, address: IpAddress): RecalledLoad {
    const number = this.#numbering.get(service.name)?.destinations.get(address) ?? 0;
    const { byteLength, flows, overload, member } = layout.load;
    const loads = this.#set.memory.mapping('loads');
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
        return { ...each, ...this.#placeOf(each.went) };
      }
    }
    return undefined;
  }

  /** The destination with a number, of whichever service; nothing for 0. */
  #placeOf(number: number): Pick<RecalledFragment, 'firstWent' | 'firstService'> {
    for (const [firstService, { destinations }] of number === 0 ? [] : this.#numbering) {
      const firstWent = nameOf(destinations, number);
      if (firstWent !== undefined) {
        return { firstWent, firstService };
      }
    }
    return {};
  }
}

/** Reads what is added to a service's count for its place in the sequence, from the copy that packets read. */
function sequenceBase({ memory, control }: MapSet, service: number): number {
  const { byteLength, base } = layout.policy;
  return memory.load32('policies', control.activeCopy, service * byteLength + base.offset);
}

/** Returns undefined for a destination that the service no longer has. */
function addressOf(destinations: ReadonlyMap<IpAddress, number>, { destination }: FlowEntry): IpAddress | undefined {
  return nameOf(destinations, destination);
}

function nameOf(destinations: ReadonlyMap<IpAddress, number>, number: number): IpAddress | undefined {
  return [...destinations].find(([, each]) => each === number && number !== 0)?.[0];
}

interface StoredFragment extends RecalledFragment {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly id: string;
  readonly time: number;
  /** The number of the destination that it went to, where it was kept; else 0. */
  readonly went: number;
}

function readFragments(set: MapSet, table: 'fragments4' | 'fragments6'): { bytes: Uint8Array; view: DataView } {
  const bytes = set.memory.read(table, 0, 0, layout[table].byteLength);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Decodes struct fragment4: source and destination, XORed with the two words that follow; then these. */
function* fragments4(set: MapSet): Generator<StoredFragment> {
  const { bytes, view } = readFragments(set, 'fragments4');
  for (let at = 0; at < bytes.length; at += layout.fragment4.byteLength) {
    const [second, third] = [view.getBigUint64(at + 8, true), view.getBigUint64(at + 16, true)];
    view.setBigUint64(at, view.getBigUint64(at, true) ^ second ^ third, true);
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at + 20]);
    if (second !== 0n && protocol !== undefined) {
      yield {
        protocol,
        ports: { source: view.getUint16(at + 12), destination: view.getUint16(at + 14) },
        source: bytes.subarray(at, at + 4),
        destination: bytes.subarray(at + 4, at + 8),
        id: `${bytes[at + 10]!} ${view.getUint16(at + 8)}`,
        time: bytes[at + 11]!,
        byFirst: bytes[at + 22] === 1,
        went: view.getUint32(at + 16, true),
      };
    }
  }
}

/** Decodes struct fragment6: addresses; id and ports; protocol, time and kind; where it went; the XOR of all against tearing. */
function* fragments6(set: MapSet): Generator<StoredFragment> {
  const { bytes, view } = readFragments(set, 'fragments6');
  for (let at = 0; at < bytes.length; at += layout.fragment6.byteLength) {
    const sum = [0, 1, 2, 3, 4, 5, 6].reduce((xor, i) => xor ^ view.getBigUint64(at + i * 8, true), 0n);
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === bytes[at + 40]);
    if (protocol !== undefined && sum === view.getBigUint64(at + 56, true)) {
      yield {
        protocol,
        ports: { source: view.getUint16(at + 36), destination: view.getUint16(at + 38) },
        source: bytes.subarray(at, at + 16),
        destination: bytes.subarray(at + 16, at + 32),
        id: String(view.getUint32(at + 32)),
        time: bytes[at + 41]!,
        byFirst: bytes[at + 42] === 1,
        went: Number(view.getBigUint64(at + 48, true)),
      };
    }
  }
}
