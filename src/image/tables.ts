/** The bytes of the tables: how large they must be, and what stands in them. Pure; nothing here touches a map. */

import * as layout from '../layout/index.js';
import {
  BeelineError,
  type Family,
  familyOf,
  hashesPort,
  type Interface,
  type IpAddress,
  ipBytes,
  macBytes,
  MIN_SLOTS,
  type Protocol,
  PROTOCOL_NUMBERS,
  type Scheduler,
  type Service,
  type ServiceKey,
} from '../model/index.js';
import type { CompiledService, Image } from './compile.js';
import { type CuckooTable, entriesFor, placeKeys } from './cuckoo.js';
import { coveredBy } from './marks.js';
import { highestNumbers, type Numbering, type NumberSet, type ServiceNumbers } from './numbering.js';
import type { Ring } from './ring.js';
import { multiply, type Word64, wordAt, xor } from './word64.js';

/** Sizes of the tables, those of flows apart each a power of two. Fixed when the program is loaded. */
export interface Geometry {
  /** Entries of the IPv4 and of the IPv6 service table. */
  readonly services4: number;
  readonly services6: number;
  /** Slots of all rings together. */
  readonly slots: number;
  /** Destination numbers, service numbers. */
  readonly destinations: number;
  readonly services: number;
  /** Entries of the IPv4 and of the IPv6 flow table. */
  readonly flows4: number;
  readonly flows6: number;
}

/** Entries of a bucket of flows. */
export const FLOW_WAYS = layout.flowWays;

/** What a director starts with: 1.5 MB, and the flows. It grows when a configuration needs more. */
export const SMALLEST_GEOMETRY: Geometry = {
  services4: 1 << 9,
  services6: 1 << 8,
  slots: 1 << 16,
  destinations: 1 << 10,
  services: 1 << 8,
  flows4: FLOW_WAYS.ipv4,
  flows6: FLOW_WAYS.ipv6,
};

/** What stands before the destinations, in bytes. */
export const DESTINATIONS_HEADER_BYTES = layout.destinations.entry.offset;

/** What a destination's way out takes, in bytes. */
export const EGRESS_BYTES = layout.egress.byteLength;

/** What a slot takes, in bytes. */
export const SLOT_BYTES = layout.destinations.slot.stride;

/** What a destination takes, in bytes. */
export const DESTINATION_BYTES = layout.destination.byteLength;

/** What a candidate takes, in bytes. */
export const CANDIDATE_BYTES = layout.candidate.byteLength;

/** The largest number that a flow's entry has bits for. */
const MAX_DESTINATION_NUMBER = layout.flowField['number-mask'];

const GEOMETRY_KEYS = Object.keys(SMALLEST_GEOMETRY) as (keyof Geometry)[];

/** Where a service without a ring points to: slots that hold 0 forever, and destination 0, which is nobody. */
const EMPTY = { ring: 0, shift: 63, slots: MIN_SLOTS, first: 0 };

/** As many as 16 bits number, with 0 for none. */
const MAX_SERVICE_NUMBER = 0xffff;

/**
 * The smallest geometry that an image fits into.
 *
 * @throws BeelineError `TABLE_FULL`
 */
export function requiredGeometry(image: Image, numbering: Numbering): Geometry {
  const highest = highestNumbers(numbering);
  if (highest.service > MAX_SERVICE_NUMBER) {
    throw new BeelineError('TABLE_FULL', `there are more than ${MAX_SERVICE_NUMBER} virtual services`, {
      hint: 'Have one service take all ports of a VIP ("port: 0"), or spread them over several directors.',
    });
  }
  if (highest.destination > MAX_DESTINATION_NUMBER) {
    throw new BeelineError('TABLE_FULL', `there are more than ${MAX_DESTINATION_NUMBER} real servers of services`, {
      hint: 'Spread the services over several directors.',
    });
  }
  const slots = ringsOf(image.services).reduce((sum, compiled) => sum + slotsOf(compiled), EMPTY.slots);
  return {
    services4: entriesFor(keysOf(4, image).length + vipsOf(4, image).size),
    services6: entriesFor(keysOf(6, image).length + vipsOf(6, image).size),
    slots: powerOfTwo(slots),
    destinations: powerOfTwo(highest.destination + 1),
    services: powerOfTwo(highest.service + 1),
    flows4: wholeBuckets(image.flows.ipv4, FLOW_WAYS.ipv4),
    flows6: wholeBuckets(image.flows.ipv6, FLOW_WAYS.ipv6),
  };
}

/** An entry of a table of services: what packets are matched by, and what they are matched to. */
interface Key extends ServiceKey {
  /** Under which name it has its number. */
  readonly name: string;
  readonly compiled: CompiledService;
}

const keys = new WeakMap<Image, Readonly<Record<Family, readonly Key[]>>>();

/** The entries of a family but for the VIPs' marks. */
function keysOf(family: Family, image: Image): readonly Key[] {
  let found = keys.get(image);
  if (found === undefined) {
    const all = allKeys(image);
    const of = (each: Family): Key[] => all.filter(({ address }) => familyOf(address) === each);
    found = { 4: of(4), 6: of(6) };
    keys.set(image, found);
  }
  return found[family];
}

function allKeys({ services, markEntries }: Image): Key[] {
  const isCovered = markEntries.length === 0 ? () => false : coveredBy(markEntries);
  const own = services
    .filter(({ service }) => service.mark === undefined && !isCovered(service))
    .map((compiled): Key => {
      const { address, port, protocol } = compiled.service;
      return { address, port, protocol, name: compiled.name, compiled };
    });
  if (markEntries.length === 0) {
    return own;
  }
  const byName = new Map(services.map((compiled) => [compiled.name, compiled]));
  return [
    ...own,
    ...markEntries.flatMap(({ name, service, address, protocol, ports }) =>
      ports.map((port): Key => ({ address, port, protocol, name, compiled: byName.get(service)! })),
    ),
  ];
}

/** The VIPs of a family, and the flags of their marks: which protocols have a service for every port. */
function vipsOf(family: Family, image: Image): ReadonlyMap<IpAddress, number> {
  const flags = new Map<IpAddress, number>();
  for (const { address, port, protocol } of keysOf(family, image)) {
    const wildcard = port === 0 ? layout.serviceFlag[`wildcard-${protocol}`] : 0;
    flags.set(address, (flags.get(address) ?? 0) | wildcard);
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

/** Which part of the memory that is available tables of flows may take. */
const MEMORY_SHARE = 0.8;

/**
 * Refuses tables of flows that would leave the host, which is not the director's alone, without memory.
 *
 * @param bytes of both tables
 * @param available bytes
 * @throws BeelineError `OUT_OF_MEMORY`
 */
export function requireMemory(bytes: number, available: number): void {
  if (bytes > available * MEMORY_SHARE) {
    const [need, there] = [bytes, available].map((each) => (each / 1e6).toFixed(0));
    throw new BeelineError(
      'OUT_OF_MEMORY',
      `the tables of flows need ${need!} MB; ${there!} MB of memory are available`,
      { hint: 'Ask for fewer "flows" in the configuration.' },
    );
  }
}

function wholeBuckets(entries: number, ways: number): number {
  return Math.max(1, Math.ceil(entries / ways)) * ways;
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}

/** All rings, each once, by one of the services that have it. */
function ringsOf(services: readonly CompiledService[]): RingOwner[] {
  const owners = new Map<Ring, RingOwner>();
  for (const { ring, previous } of services) {
    if (ring !== undefined && !owners.has(ring)) {
      owners.set(ring, { ring, previous });
    }
  }
  return [...owners.values()];
}

type RingOwner = Pick<CompiledService, 'previous'> & { readonly ring: Ring };

/** What a ring takes in the pool of slots. */
function slotsOf({ ring, previous }: RingOwner): number {
  return ring.length + (previous?.length ?? 0);
}

/** Where rings and destinations begin in their tables. */
export interface Places {
  readonly rings: ReadonlyMap<Ring, number>;
  /** What stands behind a ring, for those that have moved slots. */
  readonly previous: ReadonlyMap<Ring, Uint16Array>;
  /** By service name. */
  readonly destinations: ReadonlyMap<string, number>;
}

/** One after another by the services' numbers, so that a new service, whose number is the highest, moves no other. */
export function placeTables(image: Image, numbering: Numbering): Places {
  const byNumber = image.services
    .map((compiled) => ({ compiled, number: numbering.get(compiled.name)!.number }))
    .sort((a, b) => a.number - b.number)
    .map(({ compiled }) => compiled);
  const rings = new Map<Ring, number>();
  const previous = new Map<Ring, Uint16Array>();
  let slot = EMPTY.slots;
  for (const owner of ringsOf(byNumber)) {
    rings.set(owner.ring, slot);
    slot += slotsOf(owner);
    if (owner.previous !== undefined) {
      previous.set(owner.ring, owner.previous);
    }
  }
  const destinations = new Map<string, number>();
  let index = EMPTY.first + 1;
  for (const { name, destinations: ofService } of byNumber) {
    destinations.set(name, index);
    index += ofService.length;
  }
  return { rings, previous, destinations };
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
  const services = keysOf(family, image);
  const vips = [...vipsOf(family, image).keys()];
  const names = [...services.map(({ name, port }) => `${name} ${port}`), ...vips];
  if (previous?.names.length === names.length && names.every((name, i) => name === previous.names[i])) {
    return previous;
  }
  const keys = [
    ...services.map(({ address, port, protocol }) => keyBytes(address, port, PROTOCOL_NUMBERS[protocol])),
    ...vips.map((address) => keyBytes(address, 0, layout.entryProtocol.vip)),
  ];
  return { family, names, keys, table: placeKeys(keys, geometry[family === 4 ? 'services4' : 'services6']) };
}

/** struct services4 or struct services6, header and entries. */
export function encodeServices(
  { family, keys, table: { multipliers, positions } }: ServicePlacement,
  image: Image,
  numbering: Numbering,
  places: Places,
  geometry: Geometry,
): Uint8Array {
  const [table, entry, entries] =
    family === 4
      ? ([layout.services4, layout.service4, geometry.services4] as const)
      : ([layout.services6, layout.service6, geometry.services6] as const);
  const services = keysOf(family, image);
  const bytes = new Uint8Array(table.byteLength + entries * entry.byteLength);
  const view = new DataView(bytes.buffer);
  const entryAt = (i: number): number => table.entry.offset + positions[i]! * entry.byteLength;

  multipliers.forEach((word, i) => {
    setWord(view, table.multiplier.offset + i * table.multiplier.stride, word);
  });
  keys.forEach((key, i) => {
    bytes.set(key, entryAt(i));
  });
  services.forEach(({ name, protocol, compiled }, i) => {
    const at = entryAt(i);
    const place = placeOf(compiled, places);
    view.setUint32(at + entry.first.offset, place.first, true);
    view.setUint32(at + entry.ring.offset, place.ring, true);
    view.setUint8(at + entry.shift.offset, place.shift);
    view.setUint16(at + entry.number.offset, numbering.get(name)!.number, true);
    view.setUint8(at + entry.flags.offset, flagsOf(forProtocol(compiled, protocol)));
  });
  [...vipsOf(family, image).values()].forEach((flags, mark) => {
    const i = services.length + mark;
    view.setUint8(entryAt(i) + entry.flags.offset, flags);
    const bit = vipFilterBit(keys[i]!, multipliers[0]);
    bytes[table.vipFilter.offset + (bit >> 3)]! |= 1 << (bit & 7);
  });
  return bytes;
}

/** Where a service's entry points to. The empty ring alone goes with destination 0. */
function placeOf(
  { name, ring, service: { scheduler } }: CompiledService,
  places: Places,
): { first: number; ring: number; shift: number } {
  if (ring === undefined) {
    return scheduler === 'maglev' ? EMPTY : { ...EMPTY, first: places.destinations.get(name)! };
  }
  // Other tables than the ring are not found by a shift.
  const shift = scheduler === 'maglev' ? 64 - Math.log2(ring.length) : EMPTY.shift;
  return { first: places.destinations.get(name)!, ring: places.rings.get(ring)!, shift };
}

/** A mark's service as it is for packets of one protocol: TCP's are never scheduled each for itself. */
export function forProtocol(compiled: CompiledService, protocol: Protocol): CompiledService {
  return compiled.service.onePacket === true && protocol === 'tcp'
    ? { ...compiled, tracks: true, service: { ...compiled.service, onePacket: false } }
    : compiled;
}

function flagsOf({ service, tracks, previous }: CompiledService): number {
  const { ttl, noDestination, scheduler } = service;
  const flag = layout.serviceFlag;
  return (
    (ttl === 'decrement' ? flag.ttl : 0) |
    (noDestination === 'drop' ? flag.drop : 0) |
    (tracks ? flag.track : scheduler === 'maglev' ? 0 : flag.policy) |
    (previous === undefined ? 0 : flag.moved)
  );
}

/** Address, port and protocol as the first bytes of struct service4 (8 bytes) or struct service6 (20 bytes). */
function keyBytes(address: IpAddress, port: number, protocol: number): Uint8Array {
  const [entry, length] = familyOf(address) === 4 ? [layout.service4, 8] : [layout.service6, 20];
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

/** Slots as they stand in the map. */
export function encodeSlots(slots: Uint16Array): Uint8Array {
  return new Uint8Array(slots.buffer, slots.byteOffset, slots.byteLength);
}

/** The schedulers as the program knows them: what a sequence can say, it says. */
export const PROGRAM_SCHEDULER = {
  maglev: 'maglev',
  mh: 'mh',
  sh: 'sh',
  rr: 'sequence',
  wrr: 'sequence',
  dh: 'sequence',
  lc: 'lc',
  wlc: 'wlc',
  sed: 'sed',
  nq: 'nq',
  fo: 'fo',
  ovf: 'ovf',
  lblc: 'lblc',
  lblcr: 'lblcr',
  twos: 'twos',
} as const satisfies Record<Scheduler, keyof typeof layout.scheduler>;

/** Whether a service's flows take turns by a table. */
export function isSequence({ service: { scheduler } }: CompiledService): boolean {
  return PROGRAM_SCHEDULER[scheduler] === 'sequence';
}

/**
 * struct policy of a service; `base` is added to what a sequence counts.
 *
 * @param group the service's number, also for what only leads to it
 */
export function encodePolicy(
  { service, ring, destinations }: CompiledService,
  base: number,
  group: number,
): Uint8Array {
  const { scheduler, flags = [], persistence, onePacket } = service;
  const at = layout.policy;
  const bytes = new Uint8Array(at.byteLength);
  const view = new DataView(bytes.buffer);
  const policyFlags =
    (hashesPort(service) ? layout.policyFlag.port : 0) |
    (flags.some((flag) => flag === `${scheduler}-fallback`) ? layout.policyFlag.fallback : 0) |
    (persistence === undefined ? 0 : layout.policyFlag.persistent) |
    (onePacket === true ? layout.policyFlag['one-packet'] : 0);
  view.setUint8(at.scheduler.offset, layout.scheduler[PROGRAM_SCHEDULER[scheduler]]);
  view.setUint8(at.flags.offset, policyFlags);
  view.setUint16(at.group.offset, group, true);
  view.setUint32(at.candidates.offset, destinations.length, true);
  view.setUint32(at.length.offset, ring?.length ?? 0, true);
  view.setUint32(at.base.offset, base, true);
  bytes.set(persistenceMask(service), at.mask.offset);
  return bytes;
}

/** Which bits of a client's address tell clients apart under persistence; 4 or 16 bytes. */
export function persistenceMask({ address, persistence }: Service): Uint8Array {
  const whole = familyOf(address) === 4 ? 32 : 128;
  const { mask = whole } = persistence ?? {};
  if (typeof mask === 'string') {
    return ipBytes(mask);
  }
  return Uint8Array.from({ length: whole / 8 }, (_, i) => 0xff00 >> Math.min(8, Math.max(0, mask - i * 8)));
}

/** struct candidate of all of a service's destinations, in the ring's order. */
export function encodeCandidates({ destinations, routes }: CompiledService, numbers: ServiceNumbers): Uint8Array {
  const entry = layout.candidate;
  const bytes = new Uint8Array(destinations.length * entry.byteLength);
  const view = new DataView(bytes.buffer);
  destinations.forEach(({ address, weight }, i) => {
    const takesPackets = routes[i]!.action !== 'none';
    const at = i * entry.byteLength;
    view.setUint32(at + entry.number.offset, takesPackets ? numbers.destinations.get(address)! : 0, true);
    view.setUint32(at + entry.weight.offset, takesPackets ? weight : 0, true);
  });
  return bytes;
}

/** struct destination of all of a service's destinations, in the ring's order. */
export function encodeDestinations({ destinations, routes }: CompiledService, numbers: ServiceNumbers): Uint8Array {
  const entry = layout.destination;
  const bytes = new Uint8Array(destinations.length * entry.byteLength);
  const view = new DataView(bytes.buffer);
  destinations.forEach(({ address }, i) => {
    const at = i * entry.byteLength;
    const route = routes[i]!;
    if (route.action === 'forward') {
      bytes.set(macBytes(route.mac), at + entry.mac.offset);
    }
    if (route.action !== 'none') {
      bytes.set(macBytes(route.sourceMac), at + entry.sourceMac.offset);
      view.setUint32(at + entry.number.offset, numbers.destinations.get(address)!, true);
    }
  });
  return bytes;
}

/** struct egress of all of a service's destinations, in the same order. */
export function encodeEgresses({ routes }: CompiledService, interfaces: readonly Interface[]): Uint8Array {
  const entry = layout.egress;
  const bytes = new Uint8Array(routes.length * entry.byteLength);
  const view = new DataView(bytes.buffer);
  routes.forEach((route, i) => {
    const at = i * entry.byteLength;
    const egress = route.action === 'forward' ? interfaces.find(({ ifindex }) => ifindex === route.ifindex) : undefined;
    if (route.action !== 'forward' || egress === undefined) {
      return;
    }
    view.setUint32(at + entry.ifindex.offset, egress.ifindex, true);
    view.setUint32(at + entry.group.offset, egress.group, true);
    view.setUint16(at + entry.mtu.offset, Math.min(egress.mtu, 0xffff), true);
    view.setUint16(at + entry.vlan.offset, route.vlan?.id ?? 0);
    view.setUint16(at + entry.outerVlan.offset, route.vlan?.outer ?? 0);
  });
  return bytes;
}

/** What stands before the destinations: struct destinations without its entries. */
export function encodeDestinationsHeader({ interfaces, directors }: Image): Uint8Array {
  const table = layout.destinations;
  const bytes = new Uint8Array(table.byteLength);
  const view = new DataView(bytes.buffer);
  // Without interfaces nothing arrives; whatever is tried then shall not fail for its length.
  view.setUint32(table.mtu.offset, Math.min(0xffff_ffff, ...interfaces.map(({ mtu }) => mtu)), true);
  directors.forEach((mac, i) => {
    bytes.set(macBytes(mac), table.directors.offset + i * table.directors.stride);
  });
  // The only interface's; with several the program asks by which one a frame came.
  bytes.set(macBytes(interfaces[0]?.mac ?? '00:00:00:00:00:00'), table.ownMac.offset);
  return bytes;
}

/** struct nics: each interface alone where its index, multiplied, falls. */
export function encodeNics(interfaces: readonly Interface[]): Uint8Array {
  const table = layout.nics;
  const entry = layout.nic;
  const bits = Math.log2(table.entry.size / table.entry.stride);
  const bytes = new Uint8Array(table.byteLength);
  const view = new DataView(bytes.buffer);
  const placeUnder = (multiplier: number): number[] =>
    interfaces.map(({ ifindex }) => Math.imul(ifindex, multiplier) >>> (32 - bits));
  // Odd numbers, begun with the golden ratio's bits: one in a few fits as many interfaces as a host has.
  let multiplier = 0x9e3779b1;
  while (new Set(placeUnder(multiplier)).size < interfaces.length) {
    multiplier = (multiplier + 0x3c6ef362) >>> 0;
  }
  view.setUint32(table.multiplier.offset, multiplier, true);
  placeUnder(multiplier).forEach((place, i) => {
    const { ifindex, group, mac } = interfaces[i]!;
    const at = table.entry.offset + place * entry.byteLength;
    view.setUint32(at + entry.ifindex.offset, ifindex, true);
    view.setUint32(at + entry.group.offset, group, true);
    bytes.set(macBytes(mac), at + entry.mac.offset);
  });
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
  for (const { name, service } of image.services) {
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
  for (const { name, service, address, protocol } of image.markEntries) {
    const { number } = numbering.get(name)!;
    if (newServices.has(number)) {
      services.set(number, identityBytes({ address, port: 0, protocol }, numbering.get(service)!.number));
    }
  }
  return { services, destinations };
}

/** In an identity, a mark's service: its mark stands for the address. IANA reserves the number. */
export const MARK_PROTOCOL = layout.entryProtocol.mark;

function identityBytes(
  { address, port, protocol, mark }: ServiceKey & Pick<Service, 'mark'>,
  service: number,
): Uint8Array {
  const bytes = new Uint8Array(layout.identity.byteLength);
  const view = new DataView(bytes.buffer);
  // Of a mark's destination the address is its own.
  const isMark = mark !== undefined && service === 0;
  if (isMark) {
    view.setUint32(layout.identity.address.offset, mark);
  } else {
    bytes.set(ipBytes(address), layout.identity.address.offset);
  }
  view.setUint16(layout.identity.port.offset, port);
  view.setUint8(layout.identity.protocol.offset, isMark ? MARK_PROTOCOL : PROTOCOL_NUMBERS[protocol]);
  view.setUint8(layout.identity.family.offset, familyOf(address));
  view.setUint16(layout.identity.service.offset, service, true);
  return bytes;
}
