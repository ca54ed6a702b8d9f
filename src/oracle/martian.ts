/** Sources that no packet from the network can have: the twin of bpf/martian.h. */

import { ghostKeysOf, type Image } from '../image/index.js';
import { ipBytes, isMarkKey, oncePer } from '../model/index.js';
import { bytesKey } from './parse.js';

/** Networks that no client is in (RFC 1122, 3.2.1.3; RFC 4291; RFC 4038, 4.2): their first bytes, and how many bits count. */
const NOBODYS: readonly (readonly [number, ...number[]])[] = [
  [8, 0],
  [8, 127],
  [4, 0xe0],
  [32, 255, 255, 255, 255],
];
const NOBODYS_IPV6: typeof NOBODYS = [
  [8, 0xff],
  [128, ...new Array<number>(16).fill(0)],
  [128, ...new Array<number>(15).fill(0), 1],
  [96, ...new Array<number>(10).fill(0), 0xff, 0xff],
];

/** Returns the addresses that are the director's or its host's: VIPs and own ones. */
const ownAddresses = oncePer((image: Image): ReadonlySet<string> => {
  const vips = [
    ...image.services.flatMap(({ service }) => (isMarkKey(service) ? [] : service.address)),
    ...image.markEntries.map(({ address }) => address),
    ...[...ghostKeysOf(4, image), ...ghostKeysOf(6, image)].map(({ address }) => address),
  ];
  return new Set([...vips, ...image.own].map((address) => bytesKey(ipBytes(address))));
});

/** Whether a client's address, 4 or 16 bytes, cannot be one. @param ingress index of the interface that its frame came by */
export function isMartian(image: Image, client: Uint8Array, ingress: number | undefined): boolean {
  if (image.interfaces.some(({ ifindex, fromHost }) => ifindex === ingress && fromHost === true)) {
    return false;
  }
  const nobodys = client.length === 4 ? NOBODYS : NOBODYS_IPV6;
  return (
    ownAddresses(image).has(bytesKey(client)) || nobodys.some(([bits, ...prefix]) => hasPrefix(client, prefix, bits))
  );
}

function hasPrefix(address: Uint8Array, prefix: readonly number[], bits: number): boolean {
  return prefix.every((byte, i) => {
    const counted = Math.min(8, bits - i * 8);
    return (address[i]! ^ byte) >> (8 - counted) === 0;
  });
}
