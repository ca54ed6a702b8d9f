/** Reads the maps of a daemon that no longer runs, for commands that tell of it or clean up after it. */

import type { CompiledService, Image, Numbering } from '../image/index.js';
import * as layout from '../layout/index.js';
import type { XdpMode } from '../libbpf/index.js';
import { type IpAddress, type MacAddress, macFromBytes } from '../model/index.js';
import { attachedMode } from './attach.js';
import { CounterReader, type Counters } from './counters.js';
import { type FlowCounts, readFlowCounts } from './flows/flows.js';
import { MapSet } from './maps/map-set.js';
import { readNumbering } from './maps/numbers.js';
import { placeOfTable } from './maps/sizes.js';
import { listLinks, listSets, pinnedPrograms, setPath } from './pins.js';

/**
 * Returns the real servers in the pinned maps, to which packets went last. Maps of another version cannot be read.
 *
 * @param directory the director's folder in the BPF file system
 */
export function pinnedDestinations(directory: string): Set<IpAddress> {
  const addresses = new Set<IpAddress>();
  for (const number of listSets(directory)) {
    const found = MapSet.open(setPath(directory, number));
    if (typeof found === 'string') {
      continue;
    }
    using set = found;
    for (const { destinations } of readNumbering(set.memory).values()) {
      for (const address of destinations.keys()) {
        addresses.add(address);
      }
    }
  }
  return addresses;
}

/** A link that a daemon left. */
export interface LeftLink {
  readonly ifindex: number;
  /** In which mode the program is on the interface; undefined: it is not any more. */
  readonly mode: XdpMode | undefined;
}

/** The data path as a daemon left it: what packets follow while nobody listens. Reads only. */
export class Leftovers implements Disposable {
  readonly links: readonly LeftLink[];
  readonly numbering: Numbering;
  readonly #set: MapSet;
  readonly #macs: ReadonlyMap<number, MacAddress>;

  private constructor(directory: string, set: MapSet) {
    this.#set = set;
    this.links = leftLinks(directory);
    this.numbering = readNumbering(set.memory);
    this.#macs = numberedMacs(set);
  }

  /** @returns undefined if nothing is pinned, or nothing that this version can read */
  static open(directory: string): Leftovers | undefined {
    const inUse = new Set(pinnedPrograms(directory).values());
    for (const number of listSets(directory).toReversed()) {
      const set = MapSet.open(setPath(directory, number));
      if (typeof set !== 'string') {
        if (inUse.size === 0 || inUse.has(set.program.info.id)) {
          return new Leftovers(directory, set);
        }
        set.close();
      }
    }
    return undefined;
  }

  get programId(): number {
    return this.#set.program.info.id;
  }

  get generation(): number {
    return Number(this.#set.control.generation);
  }

  /** Returns the MAC to which packets of a destination go. */
  macOf(service: string, address: IpAddress): MacAddress | undefined {
    const number = this.numbering.get(service)?.destinations.get(address);
    return number === undefined ? undefined : this.#macs.get(number);
  }

  /** @param image of services that are all in the numbering */
  counters(image: Pick<Image, 'services' | 'markEntries'>): Counters {
    return new CounterReader().read(this.#set.memory, image, this.numbering);
  }

  /** @param services that are all in the numbering */
  flowCounts(services: readonly CompiledService[]): ReadonlyMap<string, readonly FlowCounts[]> {
    return readFlowCounts(this.#set, services, this.numbering);
  }

  [Symbol.dispose](): void {
    this.#set.close();
  }
}

function leftLinks(directory: string): LeftLink[] {
  const programs = pinnedPrograms(directory);
  return listLinks(directory).map((ifindex) => {
    const program = programs.get(ifindex);
    return { ifindex, mode: program === undefined ? undefined : attachedMode(program, ifindex) };
  });
}

/** Reads the table by which flows find destinations: MACs by number, without those that take no packets. */
function numberedMacs({ memory, control, geometry }: MapSet): Map<number, MacAddress> {
  const { map, offset } = placeOfTable('numbered', geometry);
  const { byteLength, mac: at, number } = layout.destination;
  const bytes = memory.read(map, control.activeCopy, offset, geometry.destinations * byteLength);
  const view = new DataView(bytes.buffer);
  const macs = new Map<number, MacAddress>();
  for (let start = 0; start < bytes.length; start += byteLength) {
    const owner = view.getUint32(start + number.offset, true);
    if (owner !== 0) {
      macs.set(owner, macFromBytes(bytes.subarray(start + at.offset, start + at.offset + at.size)));
    }
  }
  return macs;
}
