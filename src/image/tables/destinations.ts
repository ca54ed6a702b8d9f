/** The tables of destinations, of rings' slots, and of egresses: to which MAC and by which interface a packet leaves. */

import * as layout from '../../layout/index.js';
import { type Interface, ipBytes, mac, type MacAddress, macBytes, oncePer } from '../../model/index.js';
import { isHeld, keepsFlows } from '../held.js';
import type { CompiledService, Image } from '../image.js';
import type { ServiceNumbers } from '../numbering.js';
import type { Route } from '../routes.js';
import { ownOf, vipsOf } from './service-keys.js';

/** The first bytes of IPv4 networks that no client is in: "this network", loopback, multicast. */
const NOBODYS_NETWORKS = [0, 127, ...Array.from({ length: 16 }, (_, i) => 224 + i)] as const;

/** Encodes struct destination of all of a service's destinations, in the ring's order. */
export function encodeDestinations(
  compiled: CompiledService,
  numbers: ServiceNumbers,
  interfaces: readonly Interface[] = [],
): Uint8Array {
  const { destinations, routes } = compiled;
  const entry = layout.destination;
  const bytes = new Uint8Array(destinations.length * entry.byteLength);
  const view = new DataView(bytes.buffer);
  // Most have the same.
  let source: { readonly mac: MacAddress; readonly bytes: Uint8Array } | undefined;
  destinations.forEach(({ address }, i) => {
    const at = i * entry.byteLength;
    const route = routes[i]!;
    if (route.action === 'forward') {
      bytes.set(bytesOf(route), at + entry.mac.offset);
    }
    if (isHeld(compiled, i)) {
      view.setUint8(at + entry.mac.offset, layout.noMac['mac-held']);
    }
    if (!keepsFlows(compiled, i)) {
      return;
    }
    view.setUint32(at + entry.number.offset, numbers.destinations.get(address)!, true);
    // Without interfaces no packet arrives.
    const sourceMac = route.action === 'none' ? interfaces[0]?.mac : route.sourceMac;
    if (sourceMac !== undefined) {
      source = source?.mac === sourceMac ? source : { mac: sourceMac, bytes: macBytes(sourceMac) };
      bytes.set(source.bytes, at + entry.sourceMac.offset);
    }
  });
  return bytes;
}

/** Services share their routes, and an image has thousands of services: each MAC is parsed once. */
const bytesOf = oncePer(({ mac }: Extract<Route, { action: 'forward' }>) => macBytes(mac));

/** Encodes struct egress of all of a service's destinations, in the ring's order. */
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

/** Encodes struct destinations without its entries: the header of the table. */
export function encodeDestinationsHeader(image: Image): Uint8Array {
  const { interfaces, directors } = image;
  const table = layout.destinations;
  // Not as long as the struct: that is declared with a destination, whose place an earlier image may have filled.
  const bytes = new Uint8Array(table.entry.offset);
  const view = new DataView(bytes.buffer);
  // Without interfaces no packet arrives; one that is only tried out must not fail for its length.
  view.setUint32(table.mtu.offset, Math.min(0xffff_ffff, ...interfaces.map(({ mtu }) => mtu)), true);
  directors.forEach((mac, i) => {
    bytes.set(macBytes(mac), table.directors.offset + i * table.directors.stride);
  });
  // If there are several interfaces, the program looks in struct nics instead.
  bytes.set(macBytes(interfaces[0]?.mac ?? mac('00:00:00:00:00:00')), table.ownMac.offset);
  encodeMartians(image, bytes);
  return bytes;
}

/** Sets the bits of the clients that may be martians: may_be_martian() in bpf/martian.h. */
function encodeMartians(image: Image, bytes: Uint8Array): void {
  const { martians4, martians6 } = layout.destinations;
  const set = (offset: number, word: number, bit: number): void => {
    bytes[offset + word * 8 + (bit >> 3)]! |= 1 << (bit & 7);
  };
  for (const word of NOBODYS_NETWORKS) {
    bytes.fill(0xff, martians4.offset + word * 8, martians4.offset + word * 8 + 8);
  }
  // 255.255.255.255.
  set(martians4.offset, 255, 255 & 63);
  for (const address of [...vipsOf(4, image).keys(), ...ownOf(4, image)]) {
    const [first, , , last] = ipBytes(address);
    set(martians4.offset, first!, last! & 63);
  }
  for (const address of [...vipsOf(6, image).keys(), ...ownOf(6, image)]) {
    const [beforeLast, last] = ipBytes(address).subarray(14);
    set(martians6.offset, last!, beforeLast! & 63);
  }
}

/** Returns slots as they are in the map. */
export function encodeSlots(slots: Uint16Array): Uint8Array {
  return new Uint8Array(slots.buffer, slots.byteOffset, slots.byteLength);
}
