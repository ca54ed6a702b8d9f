/** The service tables: a packet's address, port and protocol to the service's number, ring and destinations. */

import * as layout from '../../layout/index.js';
import {
  type Family,
  familyOf,
  type IpAddress,
  ipBytes,
  isMarkKey,
  type Protocol,
  PROTOCOL_NUMBERS,
} from '../../model/index.js';
import { waitsForServers } from '../held.js';
import type { CompiledService, Ghost, Image } from '../image.js';
import type { Numbering } from '../numbering.js';
import { type CuckooTable, placeKeys } from './cuckoo.js';
import type { Geometry } from './geometry.js';
import { EMPTY_PLACE, type Places } from './places.js';
import { ghostKeysOf, type Key, keysOf, ownOf, vipsOf } from './service-keys.js';
import { multiply, type Word64, wordAt, xor } from './word64.js';

/** The positions of one family's keys in its table. */
export interface ServicePlacement {
  readonly family: Family;
  /** The entries that it was made for. If they have the same keys, it still holds. */
  readonly entries: Entries;
  /** In the order of `entries`. */
  readonly keys: readonly Uint8Array[];
  readonly table: CuckooTable;
}

/** The entries of a family's table: services, ghosts, VIPs, and the host's other addresses. */
interface Entries {
  readonly services: readonly Pick<Key, 'name' | 'port'>[];
  readonly ghosts: readonly { readonly ghost: Pick<Ghost, 'name'>; readonly port: number }[];
  readonly vips: readonly IpAddress[];
  readonly own: readonly IpAddress[];
}

/** Whether all keys are the same. A name implies address and protocol. */
function hasSameKeys(a: Entries, b: Entries): boolean {
  return (
    a.services.length === b.services.length &&
    a.ghosts.length === b.ghosts.length &&
    a.vips.length === b.vips.length &&
    a.own.length === b.own.length &&
    a.services.every(({ name, port }, i) => name === b.services[i]!.name && port === b.services[i]!.port) &&
    a.ghosts.every(({ ghost, port }, i) => ghost.name === b.ghosts[i]!.ghost.name && port === b.ghosts[i]!.port) &&
    a.vips.every((each, i) => each === b.vips[i]) &&
    a.own.every((each, i) => each === b.own[i])
  );
}

/** Places a family's keys. Returns `previous` if the keys are the same; the table must then have the same size. */
export function placeServices(
  family: Family,
  image: Image,
  geometry: Geometry,
  previous: ServicePlacement | undefined,
): ServicePlacement {
  const [services, ghosts] = [keysOf(family, image), ghostKeysOf(family, image)];
  const [vips, own] = [[...vipsOf(family, image).keys()], ownOf(family, image)];
  const entries = { services, ghosts, vips, own };
  if (previous !== undefined && hasSameKeys(previous.entries, entries)) {
    return previous;
  }
  const keys = [
    ...[...services, ...ghosts].map(({ address, port, protocol }) =>
      keyBytes(address, port, PROTOCOL_NUMBERS[protocol]),
    ),
    // Such an entry only says that its address is a VIP.
    ...vips.map((address) => keyBytes(address, 0, layout.entryProtocol.vip)),
    ...own.map((address) => keyBytes(address, 0, layout.entryProtocol.own)),
  ];
  // Without the services themselves, which would stay in memory as long as the placement.
  const kept = {
    ...entries,
    services: services.map(({ name, port }) => ({ name, port })),
    ghosts: ghosts.map(({ ghost: { name }, port }) => ({ ghost: { name }, port })),
  };
  return { family, entries: kept, keys, table: placeKeys(keys, geometry[family === 4 ? 'services4' : 'services6']) };
}

/** Encodes struct services4 or struct services6, header and entries. */
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
  const ghosts = ghostKeysOf(family, image);
  const bytes = new Uint8Array(table.byteLength + entries * entry.byteLength);
  const view = new DataView(bytes.buffer);
  const entryAt = (i: number): number => table.entry.offset + positions[i]! * entry.byteLength;

  multipliers.forEach((word, i) => {
    setWord(view, table.multiplier.offset + i * table.multiplier.stride, word);
  });
  keys.forEach((key, i) => {
    bytes.set(key, entryAt(i));
  });
  const { serviceFlag } = layout;
  services.forEach(({ name, protocol, compiled }, i) => {
    const at = entryAt(i);
    const place = placeOf(compiled, places);
    view.setUint32(at + entry.first.offset, place.first, true);
    view.setUint32(at + entry.ring.offset, place.ring, true);
    view.setUint8(at + entry.shift.offset, place.shift);
    view.setUint16(at + entry.number.offset, numbering.get(name)!.number, true);
    view.setUint8(at + entry.flags.offset, flagsOf(forProtocol(compiled, protocol)));
  });
  ghosts.forEach(({ ghost: { name, lingers } }, ghost) => {
    const at = entryAt(services.length + ghost);
    view.setUint8(at + entry.shift.offset, EMPTY_PLACE.shift);
    view.setUint16(at + entry.number.offset, numbering.get(name)!.number, true);
    view.setUint8(at + entry.flags.offset, serviceFlag.track | (lingers ? serviceFlag.lingers : 0));
  });
  [...vipsOf(family, image).values()].forEach((flags, vip) => {
    const i = services.length + ghosts.length + vip;
    view.setUint8(entryAt(i) + entry.flags.offset, flags);
    const bit = vipFilterBit(keys[i]!, multipliers[0]);
    bytes[table.vipFilter.offset + (bit >> 3)]! |= 1 << (bit & 7);
  });
  return bytes;
}

/** Returns what a service's entry points to. Destination 0 goes only with the empty ring. */
function placeOf(
  { name, ring, service: { scheduler } }: CompiledService,
  places: Places,
): { first: number; ring: number; shift: number } {
  if (ring === undefined) {
    return scheduler === 'maglev' ? EMPTY_PLACE : { ...EMPTY_PLACE, first: places.destinations.get(name)! };
  }
  // Only the ring of maglev is indexed by a shift.
  const shift = scheduler === 'maglev' ? 64 - Math.log2(ring.length) : EMPTY_PLACE.shift;
  return { first: places.destinations.get(name)!, ring: places.rings.get(ring)!, shift };
}

/**
 * Returns a mark's service as packets of one protocol see it: `onePacket` does not apply to TCP, and previous owners of
 * slots not to UDP, whose flows are remembered from the first datagram on.
 */
export function forProtocol(compiled: CompiledService, protocol: Protocol): CompiledService {
  const { service, previous } = compiled;
  if (!isMarkKey(service)) {
    return compiled;
  }
  if (service.onePacket === true && protocol === 'tcp') {
    return { ...compiled, tracks: true, service: { ...service, onePacket: false } };
  }
  return previous !== undefined && protocol === 'udp' ? { ...compiled, previous: undefined } : compiled;
}

function flagsOf(compiled: CompiledService): number {
  const { service, tracks, previous } = compiled;
  const { ttl, noDestination, scheduler } = service;
  const flag = layout.serviceFlag;
  return (
    (ttl === 'decrement' ? flag.ttl : 0) |
    (noDestination === 'drop' ? flag.drop : 0) |
    (waitsForServers(compiled) ? flag.waits : 0) |
    (tracks ? flag.track : scheduler === 'maglev' ? 0 : flag.policy) |
    (previous === undefined ? 0 : flag.moved)
  );
}

/** Encodes address, port and protocol as the first bytes of struct service4 (8 bytes) or struct service6 (20 bytes). */
function keyBytes(address: IpAddress, port: number, protocol: number): Uint8Array {
  const [entry, length] = familyOf(address) === 4 ? [layout.service4, 8] : [layout.service6, 20];
  const key = new Uint8Array(length);
  key.set(ipBytes(address), entry.address.offset);
  key[entry.port.offset] = port >> 8;
  key[entry.port.offset + 1] = port & 0xff;
  key[entry.protocol.offset] = protocol;
  return key;
}

/** Returns the bit of the filter that a VIP sets: may_be_vip in bpf/match.h. */
function vipFilterBit(key: Uint8Array, multiplier: Word64): number {
  const address = key.length === 8 ? { high: 0, low: wordAt(key, 0).low } : xor(wordAt(key, 0), wordAt(key, 8));
  return multiply(address, multiplier).high >>> 20;
}

function setWord(view: DataView, offset: number, { high, low }: Word64): void {
  view.setUint32(offset, low, true);
  view.setUint32(offset + 4, high, true);
}
