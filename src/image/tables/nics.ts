/** The table of the director's interfaces, which the program uses if there are several. */

import * as layout from '../../layout/index.js';
import { ipBytes, macBytes } from '../../model/index.js';
import { macsAbove } from '../above.js';
import type { Image } from '../image.js';

/** VLAN_SERVICE_TAG in bpf/layout.h. */
const SERVICE_TAG = 0x1000;

/** How many MACs above interfaces there is room for. VRRP has 255 of each family in a network. */
const MAX_MACS_ABOVE = layout.nics.above.size / layout.nics.above.stride;

/** Encodes struct nics: each interface has the entry that its index, multiplied, falls on, and shares it with none. */
export function encodeNics(image: Image): Uint8Array {
  const { interfaces, answerSources } = image;
  const table = layout.nics;
  const entry = layout.nic;
  const bits = Math.log2(table.entry.size / table.entry.stride);
  const bytes = new Uint8Array(table.byteLength);
  const view = new DataView(bytes.buffer);
  const placeUnder = (multiplier: number): number[] =>
    interfaces.map(({ ifindex }) => Math.imul(ifindex, multiplier) >>> (32 - bits));
  // Odd numbers, the golden ratio's bits first: one in a few suits as many interfaces as a host has.
  let multiplier = 0x9e3779b1;
  while (new Set(placeUnder(multiplier)).size < interfaces.length) {
    multiplier = (multiplier + 0x3c6ef362) >>> 0;
  }
  view.setUint32(table.multiplier.offset, multiplier, true);
  const places = placeUnder(multiplier);
  view.setUint32(table.first.offset, places[0] ?? 0, true);
  places.forEach((place, i) => {
    const { ifindex, group, mac, fromHost } = interfaces[i]!;
    const at = table.entry.offset + place * entry.byteLength;
    view.setUint32(at + entry.ifindex.offset, ifindex, true);
    view.setUint32(at + entry.group.offset, group, true);
    bytes.set(macBytes(mac), at + entry.mac.offset);
    view.setUint16(at + entry.fromHost.offset, Number(fromHost ?? false), true);
    const source = answerSources.get(ifindex);
    bytes.set(source === undefined ? [] : ipBytes(source[4]), at + entry.address.offset);
    bytes.set(source?.[6] === undefined ? [] : ipBytes(source[6]), at + entry.address6.offset);
  });
  macsAbove(image)
    .slice(0, MAX_MACS_ABOVE)
    .forEach(({ mac, ifindex, standby }, i) => {
      const at = table.above.offset + i * table.above.stride;
      bytes.set(macBytes(mac), at + layout.macAbove.mac.offset);
      view.setUint32(at + layout.macAbove.ifindex.offset, ifindex, true);
      view.setUint32(at + layout.macAbove.standby.offset, Number(standby), true);
    });
  encodeVlans(image, view);
  return bytes;
}

/** Writes the VLANs as the program searches them: in order, and greater words behind the last one. */
function encodeVlans({ vlans }: Image, view: DataView): void {
  const table = layout.nics;
  view.setUint32(table.everyVlan.offset, vlans === 'all' ? 1 : 0, true);
  // The program reads no more than two tags.
  const words = (vlans === 'all' ? [] : vlans)
    .filter((tags) => tags.length <= 2)
    .map((tags) => tags.reduce((word, { id, service }) => word * 0x10000 + id + (service ? SERVICE_TAG : 0), 0))
    .sort((a, b) => a - b);
  view.setUint32(table.vlanStep.offset, words.length < 2 ? 0 : 1 << (Math.ceil(Math.log2(words.length)) - 1), true);
  const { offset, size, stride } = table.vlans;
  for (let i = 0; i < size / stride; i += 1) {
    view.setUint32(offset + i * stride, words[i] ?? 0xffff_ffff, true);
  }
}
