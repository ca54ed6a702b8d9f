/** The bytes of the tables: how large they must be, and what stands in them. Pure; nothing here touches a map. */

import {
  familyOf,
  ipBytes,
  macBytes,
  PROTOCOL_NUMBERS,
  type Family,
  type IpAddress,
  type ServiceKey,
} from '../model/index.js';
import { MIN_SLOTS } from '../schedule/ring.js';
import type { CompiledService, Image, Route } from './compile.js';
import { entriesFor, placeKeys, type CuckooTable } from './cuckoo.js';
import * as layout from './layout.generated.js';
import { highestNumbers, type Numbering, type NumberSet } from './numbering.js';
import { multiply, wordAt, xor, type Word64 } from './word64.js';

/** Sizes of the tables, each a power of two. Fixed when the program is loaded. */
export interface Geometry {
  /** Entries of the IPv4 and of the IPv6 service table. */
  readonly services4: number;
  readonly services6: number;
  /** Slots of all rings together. */
  readonly slots: number;
  /** Destination numbers, service numbers. */
  readonly destinations: number;
  readonly services: number;
}

/** What a director starts with: 1.5 MB. It grows when a configuration needs more. */
export const SMALLEST_GEOMETRY: Geometry = {
  services4: 1 << 9,
  services6: 1 << 8,
  slots: 1 << 16,
  destinations: 1 << 10,
  services: 1 << 8,
};

/** What a slot takes, in bytes. */
export const SLOT_BYTES = layout.slots.destination.stride;

/** What a destination takes, in bytes. */
export const DESTINATION_BYTES = layout.destination.byteLength;

const GEOMETRY_KEYS = Object.keys(SMALLEST_GEOMETRY) as (keyof Geometry)[];

/** VIP_MARK in bpf/layout.h: stands for the protocol in an entry that says "this address is a VIP". */
const VIP_MARK = 255;

/** The slots that an empty ring points to; they hold destination 0 forever. */
const EMPTY_RING = { offset: 0, shift: 63, slots: MIN_SLOTS };

/** The smallest geometry that an image fits into. */
export function requiredGeometry(image: Image, numbering: Numbering): Geometry {
  const highest = highestNumbers(numbering);
  const slots = image.reduce((sum, { ring }) => sum + (ring?.length ?? 0), EMPTY_RING.slots);
  return {
    services4: entriesFor(servicesOf(4, image).length + vipsOf(4, image).size),
    services6: entriesFor(servicesOf(6, image).length + vipsOf(6, image).size),
    slots: powerOfTwo(slots),
    destinations: powerOfTwo(highest.destination + 1),
    services: powerOfTwo(highest.service + 1),
  };
}

function servicesOf(family: Family, image: Image): readonly CompiledService[] {
  return image.filter(({ service }) => familyOf(service.address) === family);
}

/** The VIPs of a family, and the flags of their marks: which protocols have a service for every port. */
function vipsOf(family: Family, image: Image): ReadonlyMap<IpAddress, number> {
  const flags = new Map<IpAddress, number>();
  for (const { service } of servicesOf(family, image)) {
    const wildcard = service.port === 0 ? layout.serviceFlag[`wildcard-${service.protocol}`] : 0;
    flags.set(service.address, (flags.get(service.address) ?? 0) | wildcard);
  }
  return flags;
}

export function fits(need: Geometry, geometry: Geometry): boolean {
  return GEOMETRY_KEYS.every((key) => need[key] <= geometry[key]);
}

/** The geometry to load next: nothing shrinks, and what must grow doubles at least, being powers of two. */
export function grow(need: Geometry, geometry: Geometry): Geometry {
  const grown = { ...geometry };
  for (const key of GEOMETRY_KEYS) {
    grown[key] = Math.max(need[key], geometry[key]);
  }
  return grown;
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}

/** Where each service's ring begins, by service name: one after another by number, so that a new one moves few others. */
export function placeRings(image: Image, numbering: Numbering): ReadonlyMap<string, number> {
  const byNumber = image
    .filter(({ ring }) => ring !== undefined)
    .map(({ name, ring }) => ({ name, slots: ring!.length, number: numbering.get(name)!.number }))
    .sort((a, b) => a.number - b.number);
  const offsets = new Map<string, number>();
  let offset = EMPTY_RING.slots;
  for (const { name, slots } of byNumber) {
    offsets.set(name, offset);
    offset += slots;
  }
  return offsets;
}

/** Where the keys of one family stand. */
export interface ServicePlacement {
  readonly family: Family;
  /** The services' keys, then the VIPs' marks, as text: what tells whether a placement still holds. */
  readonly names: readonly string[];
  readonly keys: readonly Uint8Array[];
  readonly table: CuckooTable;
}

/** Places a family's keys; gives `previous` back when the keys are the same and the table is as large. */
export function placeServices(
  family: Family,
  image: Image,
  geometry: Geometry,
  previous: ServicePlacement | undefined,
): ServicePlacement {
  const services = servicesOf(family, image);
  const vips = [...vipsOf(family, image).keys()];
  const names = [...services.map(({ name }) => name), ...vips];
  if (previous?.names.length === names.length && names.every((name, i) => name === previous.names[i])) {
    return previous;
  }
  const keys = [
    ...services.map(({ service }) => keyBytes(service.address, service.port, PROTOCOL_NUMBERS[service.protocol])),
    ...vips.map((address) => keyBytes(address, 0, VIP_MARK)),
  ];
  return { family, names, keys, table: placeKeys(keys, geometry[family === 4 ? 'services4' : 'services6']) };
}

/** struct services4 or struct services6, header and entries. */
export function encodeServices(
  { family, keys, table: { multipliers, positions } }: ServicePlacement,
  image: Image,
  numbering: Numbering,
  offsets: ReadonlyMap<string, number>,
  geometry: Geometry,
): Uint8Array {
  const [table, entry, entries] =
    family === 4
      ? ([layout.services4, layout.service4, geometry.services4] as const)
      : ([layout.services6, layout.service6, geometry.services6] as const);
  const services = servicesOf(family, image);
  const bytes = new Uint8Array(table.byteLength + entries * entry.byteLength);
  const view = new DataView(bytes.buffer);
  const entryAt = (i: number): number => table.entry.offset + positions[i]! * entry.byteLength;

  multipliers.forEach((word, i) => {
    setWord(view, table.multiplier.offset + i * table.multiplier.stride, word);
  });
  keys.forEach((key, i) => {
    bytes.set(key, entryAt(i));
  });
  services.forEach(({ name, ring }, i) => {
    view.setUint32(entryAt(i) + entry.ring.offset, offsets.get(name) ?? EMPTY_RING.offset, true);
    view.setUint16(entryAt(i) + entry.number.offset, numbering.get(name)!.number, true);
    view.setUint8(entryAt(i) + entry.shift.offset, ring === undefined ? EMPTY_RING.shift : 64 - Math.log2(ring.length));
  });
  [...vipsOf(family, image).values()].forEach((flags, mark) => {
    const i = services.length + mark;
    view.setUint8(entryAt(i) + entry.flags.offset, flags);
    const bit = vipFilterBit(keys[i]!, multipliers[0]);
    bytes[table.vipFilter.offset + (bit >> 3)]! |= 1 << (bit & 7);
  });
  return bytes;
}

/** Address, port and protocol as the first bytes of struct service4 (8 bytes) or struct service6 (24 bytes). */
function keyBytes(address: IpAddress, port: number, protocol: number): Uint8Array {
  const [entry, length] = familyOf(address) === 4 ? [layout.service4, 8] : [layout.service6, 24];
  const key = new Uint8Array(length);
  key.set(ipBytes(address), entry.address.offset);
  key[entry.port.offset] = port >> 8;
  key[entry.port.offset + 1] = port & 0xff;
  key[entry.protocol.offset] = protocol;
  return key;
}

/** The bit of the filter that a VIP's mark sets: may_be_vip in bpf/match.h. */
function vipFilterBit(mark: Uint8Array, multiplier: Word64): number {
  const address = mark.length === 8 ? { high: 0, low: wordAt(mark, 0).low } : xor(wordAt(mark, 0), wordAt(mark, 8));
  return multiply(address, multiplier).high >>> 20;
}

function setWord(view: DataView, offset: number, { high, low }: Word64): void {
  view.setUint32(offset, low, true);
  view.setUint32(offset + 4, high, true);
}

/** A ring's slots as destination numbers, little-endian words. */
export function encodeRing({ ring, name, destinations }: CompiledService, numbering: Numbering): Uint8Array {
  const numbers = Uint32Array.from(destinations, ({ address }) => numbering.get(name)!.destinations.get(address)!);
  const words = Uint32Array.from(ring!, (index) => numbers[index]!);
  return new Uint8Array(words.buffer);
}

/** struct destination */
export function encodeRoute(route: Route): Uint8Array {
  const bytes = new Uint8Array(layout.destination.byteLength);
  if (route.action === 'forward') {
    bytes.set(macBytes(route.mac), layout.destination.mac.offset);
  }
  if (route.action !== 'none') {
    bytes.set(macBytes(route.sourceMac), layout.destination.sourceMac.offset);
  }
  bytes[layout.destination.action.offset] = layout.destinationAction[route.action];
  return bytes;
}

/** struct identity of every number in `which`. */
export function encodeIdentities(
  image: Image,
  numbering: Numbering,
  which: NumberSet,
): { services: Map<number, Uint8Array>; destinations: Map<number, Uint8Array> } {
  const services = new Map<number, Uint8Array>();
  const destinations = new Map<number, Uint8Array>();
  const newServices = new Set(which.services);
  const newDestinations = new Set(which.destinations);
  for (const { name, service } of image) {
    const numbers = numbering.get(name)!;
    if (newServices.has(numbers.number)) {
      services.set(numbers.number, identityBytes(service, 0));
    }
    for (const [address, number] of numbers.destinations) {
      if (newDestinations.has(number)) {
        destinations.set(number, identityBytes({ ...service, address }, numbers.number));
      }
    }
  }
  return { services, destinations };
}

function identityBytes({ address, port, protocol }: ServiceKey, service: number): Uint8Array {
  const bytes = new Uint8Array(layout.identity.byteLength);
  const view = new DataView(bytes.buffer);
  bytes.set(ipBytes(address), layout.identity.address.offset);
  view.setUint16(layout.identity.port.offset, port);
  view.setUint8(layout.identity.protocol.offset, PROTOCOL_NUMBERS[protocol]);
  view.setUint8(layout.identity.family.offset, familyOf(address));
  view.setUint16(layout.identity.service.offset, service, true);
  return bytes;
}
