/** What the programs of the host's own connections know: the VIPs, their numbers, the services, the host. Pure. */

import { ghostKeysOf, type Image, keysOf } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import {
  type Family,
  familyOf,
  type IpAddress,
  ip,
  ipBytes,
  ipFromBytes,
  type MacAddress,
  macBytes,
} from '../../model/index.js';

const PROTOCOLS = { tcp: 6, udp: 17 } as const;
/** may_be_vip() in bpf/host.bpf.c. */
const MULTIPLIER = 0x9e3779b97f4a7c15n;

/** Where the kernel has the stand-ins of VIPs: at one end of the veth; and at the other the client of the host's own services. */
export const HOST_NETWORKS = {
  outer: { 4: { address: ip('240.66.0.1'), length: 16 }, 6: { address: ip('100::1:0:1'), length: 96 } },
  inner: { 4: { address: ip('240.67.0.1'), length: 30 }, 6: { address: ip('100::2:0:1'), length: 126 } },
} as const;

/** Whether an address is one of those that only this host's kernel knows. */
export function isStandIn(address: IpAddress): boolean {
  return address.startsWith('240.66.') || address.startsWith('240.67.0.') || /^100::[12]:0:/.test(address);
}

/** The numbers of VIPs: each keeps its own, by which connections that are open know it. */
export class VipNumbers {
  readonly #numbers = new Map<IpAddress, number>();
  readonly #taken = new Set<number>();

  constructor(known: Iterable<readonly [IpAddress, number]>) {
    for (const [address, number] of known) {
      this.#numbers.set(address, number);
      this.#taken.add(number);
    }
  }

  /** Returns the number of a VIP; a new one if it has none. Undefined: there is no room for more. */
  of(address: IpAddress): number | undefined {
    const known = this.#numbers.get(address);
    if (known !== undefined) {
      return known;
    }
    const { 'first-vip': first, 'last-vip': last }: Readonly<Record<string, number>> = layout.hostNumber;
    for (let number = first; number <= last; number += 1) {
      if (!this.#taken.has(number)) {
        this.#taken.add(number);
        this.#numbers.set(address, number);
        return number;
      }
    }
    return undefined;
  }

  /** Forgets the VIPs that are not among these. Returns their numbers. */
  keep(vips: ReadonlySet<IpAddress>): number[] {
    const gone = [...this.#numbers].filter(([address]) => !vips.has(address));
    for (const [address, number] of gone) {
      this.#numbers.delete(address);
      this.#taken.delete(number);
    }
    return gone.map(([, number]) => number);
  }
}

/** What the programs see of a service, or of a VIP (port 0, no protocol). */
export interface HostEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Returns all entries for an image, and the VIPs among them. @param families those that the host can speak with */
export function hostEntries(
  image: Image,
  families: readonly Family[],
  numbers: VipNumbers,
): { readonly entries: HostEntry[]; readonly vips: ReadonlyMap<IpAddress, number> } {
  const entries: HostEntry[] = [];
  const vips = new Map<IpAddress, number>();
  const add = (address: IpAddress, port: number, protocol: number, asked: boolean): void => {
    const number = numbers.of(address);
    if (number !== undefined) {
      vips.set(address, number);
      entries.push({ key: encodeKey(address, port, protocol), value: encodeValue(number, asked) });
    }
  };
  for (const family of families) {
    for (const { address, port, protocol } of keysOf(family, image)) {
      add(address, port, PROTOCOLS[protocol], true);
    }
    for (const { address, port, protocol } of ghostKeysOf(family, image)) {
      add(address, port, PROTOCOLS[protocol], false);
    }
  }
  for (const address of [...vips.keys()]) {
    add(address, 0, 0, false);
  }
  return { entries, vips };
}

function encodeKey(address: IpAddress, port: number, protocol: number): Uint8Array {
  const { byteLength, ...at } = layout.hostKey;
  const bytes = new Uint8Array(byteLength);
  bytes.set(ipBytes(address), at.address.offset);
  new DataView(bytes.buffer).setUint16(at.port.offset, port);
  bytes[at.protocol.offset] = protocol;
  bytes[at.family.offset] = familyOf(address);
  return bytes;
}

function encodeValue(number: number, asked: boolean): Uint8Array {
  const bytes = new Uint8Array(layout.hostValue.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(layout.hostValue.number.offset, number, true);
  view.setUint32(layout.hostValue.isAsked.offset, Number(asked), true);
  return bytes;
}

export function encodeVip(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(layout.hostVip.byteLength);
  bytes.set(ipBytes(address), layout.hostVip.address.offset);
  new DataView(bytes.buffer).setUint32(layout.hostVip.family.offset, familyOf(address), true);
  return bytes;
}

export function decodeVip(bytes: Uint8Array): IpAddress {
  const { address, family } = layout.hostVip;
  const length = bytes[family.offset] === 4 ? 4 : 16;
  return ipFromBytes(bytes.subarray(address.offset, address.offset + length));
}

/** The host, as real servers see it, and the veth's end by which stand-ins are reached. */
export interface HostFacts {
  readonly networkCookie: bigint;
  /** The host's address of each family; undefined: it has none. */
  readonly addresses: Readonly<Record<Family, IpAddress | undefined>>;
  readonly ifindex: number;
  readonly mac: MacAddress;
}

export function encodeHost(facts: HostFacts, vips: Iterable<IpAddress>): Uint8Array {
  const at = layout.host;
  const bytes = new Uint8Array(at.byteLength);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(at.netnsCookie.offset, facts.networkCookie, true);
  for (const vip of vips) {
    const hash = filterHash(vip);
    const word = at.filter.offset + Number(hash >> 58n) * 8;
    view.setBigUint64(word, view.getBigUint64(word, true) | (1n << ((hash >> 52n) & 63n)), true);
  }
  const { 4: ipv4, 6: ipv6 } = facts.addresses;
  bytes.set(ipv4 === undefined ? [] : ipBytes(ipv4), at.address4.offset);
  bytes.set(ipv6 === undefined ? [] : ipBytes(ipv6), at.address6.offset);
  view.setUint32(at.ifindex.offset, facts.ifindex, true);
  bytes.set(macBytes(facts.mac), at.mac.offset);
  return bytes;
}

function filterHash(vip: IpAddress): bigint {
  const bytes = ipBytes(vip);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (i: number): bigint => BigInt(view.getUint32(i * 4, true));
  const folded = bytes.length === 4 ? word(0) : ((word(0) << 32n) | word(1)) ^ ((word(2) << 32n) | word(3));
  return (folded * MULTIPLIER) & 0xffff_ffff_ffff_ffffn;
}
