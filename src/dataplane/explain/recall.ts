/** Reads what the program remembers now, flows, loads and fragments, so that the oracle begins where it is. */

import { type CompiledService, isSequence, type Numbering, persistenceMask } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import type { IpAddress } from '../../model/index.js';
import type { Client, Recall, RecalledFragment, RecalledLoad } from '../../oracle/index.js';
import type { FlowEntry } from '../flows/entry.js';
import { findFlow } from '../flows/find.js';
import { flowNow } from '../flows/flows.js';
import { findFirst, storedFragments } from '../fragments/table.js';
import { readCursor } from '../maps/loads.js';
import type { MapSet } from '../maps/map-set.js';

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
    const { control } = this.#set;
    const extents = control.flowExtents(family);
    const table = { family, memory, extents, secret: control.hashSecret, now: this.#now } as const;
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
    const found = findFirst(storedFragments(this.#set, source.length === 4 ? 4 : 6), this.#now, {
      source,
      destination,
      id,
    });
    return found && { ...found, ...this.#placeOf(found.went) };
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
