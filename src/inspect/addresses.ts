/** Recognises addresses and MACs, which BTF describes as numbers, by types and names, and formats them. Pure. */

import type { Btf, BtfValue, Form, Place } from '../libbpf/index.js';
import { ipBytes, ipFromBytes, isMac, macBytes, macFromBytes, parseIp } from '../model/index.js';

/** "daddr", "src_ip", "own_address", "mask", "vip6", "remote_ip4". */
const ADDRESS_NAME = /(^|_)([sd]?addr(ess)?|v?ip|ipv|ipaddr|rip|(net)?mask|gateway|gw|nexthop|nh)[46]?$/;
/** "mac", "source_mac", "smac", "h_dest", "lladdr". */
const MAC_NAME = /(^|_)([sd]?mac|mac_?addr(ess)?|lladdr|hwaddr|h_dest|h_source|eth_dst|eth_src)$/;

export type Meaning = 'address' | 'mac';

/**
 * Returns the form of a place's values; undefined: as BTF describes them.
 *
 * @param meanings known meanings of places, by "struct.member"
 */
export function formOf(place: Place, btf: Btf, meanings: ReadonlyMap<string, Meaning>): Form | undefined {
  const type = btf.resolve(place.type);
  if (type.kind === 'struct' || type.kind === 'union') {
    return type.name === 'in6_addr' && type.size === 16 ? IPV6 : undefined;
  }
  // Elements have the name of their array: an array of addresses has addresses as its elements.
  const meaning =
    meanings.get(`${place.owner}.${place.name}`) ??
    (ADDRESS_NAME.test(place.name) ? 'address' : MAC_NAME.test(place.name) ? 'mac' : undefined);
  if (type.kind === 'int' && type.size === 4 && isBigEndian(btf, place.type)) {
    // A key of a map has no name, but four bytes in network order are nearly always an address.
    return meaning === 'address' || place.name === '' ? IPV4 : undefined;
  }
  if (type.kind === 'int' && type.size === 8 && !isBigEndian(btf, place.type)) {
    return meaning === 'mac' ? MAC_WORD : undefined;
  }
  if (type.kind !== 'array') {
    return undefined;
  }
  const element = btf.resolve(type.type);
  const bytes = element.kind === 'int' && element.size === 1 && element.name !== 'char' ? type.length : 0;
  if (meaning === 'mac') {
    return bytes === 6 ? MAC : undefined;
  }
  if (meaning !== 'address') {
    return undefined;
  }
  const words = element.kind === 'int' && element.size === 4 && isBigEndian(btf, type.type) ? type.length : 0;
  if (bytes === 16) {
    return meanings.has(`${place.owner}.${place.name}`) ? EITHER : IPV6;
  }
  return words === 4 ? IPV6 : bytes === 4 ? IPV4 : undefined;
}

function isBigEndian(btf: Btf, id: number): boolean {
  for (let type = btf.type(id); 'type' in type; type = btf.type(type.type)) {
    if (type.kind === 'typedef' && /^(__)?be(16|32|64)$/.test(type.name)) {
      return true;
    }
  }
  return false;
}

/** Parses an address. "::ffff:10.0.0.1", which model/address.ts rejects, can be in a map. */
function addressBytes(value: BtfValue, length: number): Uint8Array | undefined {
  if (typeof value !== 'string') {
    return undefined;
  }
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(value) ?? [];
  const ip = parseIp(mapped ?? value);
  if (ip === undefined) {
    return undefined;
  }
  const bytes = mapped === undefined ? ipBytes(ip) : Uint8Array.of(...MAPPED_PREFIX, ...ipBytes(ip));
  return bytes.length === length ? bytes : undefined;
}

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const IPV4: Form = {
  decode: ipFromBytes,
  encode: (value) => addressBytes(value, 4),
};

const IPV6: Form = {
  decode: ipFromBytes,
  encode: (value) => addressBytes(value, 16),
};

/** IPv4 in the first four of sixteen bytes if the others are zero, else IPv6. */
const EITHER: Form = {
  decode: (bytes) => ipFromBytes(bytes.subarray(4).every((byte) => byte === 0) ? bytes.subarray(0, 4) : bytes),
  encode: (value) => {
    const short = addressBytes(value, 4);
    return short === undefined ? addressBytes(value, 16) : padded(short, 16);
  },
};

const MAC: Form = {
  decode: macFromBytes,
  encode: macFrom,
};

/** A MAC as in a frame, in the lower six bytes of a word. */
const MAC_WORD: Form = {
  decode: (bytes) => (bytes[6] === 0 && bytes[7] === 0 ? macFromBytes(bytes.subarray(0, 6)) : undefined),
  encode: (value) => {
    const mac = macFrom(value);
    return mac && padded(mac, 8);
  },
};

function macFrom(value: BtfValue): Uint8Array | undefined {
  const text = typeof value === 'string' ? value.toLowerCase().replaceAll('-', ':') : '';
  return isMac(text) ? macBytes(text) : undefined;
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes);
  return result;
}
