/** Encodes rtnetlink messages that make a veth, its addresses, and remove it (veth(4), linux/if_link.h). Pure. */

import { familyOf, type IpAddress, ipBytes, type MacAddress, macBytes } from '../model/index.js';
import { encodePayload, u32 } from './netlink.js';
import { ADDRESS_HEADER_BYTES, AF, IFA, IFF_UP, IFLA, IFLA_INFO, LINK_HEADER_BYTES } from './rtnetlink.js';

const VETH_INFO_PEER = 1;
/** No detection of duplicates (linux/if_addr.h). */
const IFA_F_NODAD = 0x02;
const IFF_NOARP = 0x80;

/** An end of a veth. */
export interface VethEnd {
  readonly name: string;
  readonly mtu: number;
}

/** A veth between whose ends no addresses are resolved: both have the same MAC, to which all frames go. */
export interface VethSpec {
  readonly ends: readonly [VethEnd, VethEnd];
  readonly mac: MacAddress;
  /** Says whose it is, for people and programs. */
  readonly alias: string;
}

const text = (value: string): Uint8Array => Buffer.from(`${value}\0`);

function linkHeader(ifindex: number, flags: number, change: number): Uint8Array {
  const header = new Uint8Array(LINK_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setInt32(4, ifindex, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return header;
}

/** Returns the payload of RTM_NEWLINK that makes a veth, whose ends are down. */
export function vethPayload({ ends: [one, other], mac }: VethSpec): Uint8Array {
  const endOf = ({ name, mtu }: VethEnd, more: readonly (readonly [number, Uint8Array])[]): Uint8Array =>
    encodePayload(
      linkHeader(0, IFF_NOARP, IFF_NOARP),
      new Map<number, Uint8Array>([
        [IFLA.name, text(name)],
        [IFLA.address, macBytes(mac)],
        [IFLA.mtu, u32(mtu)],
        ...more,
      ]),
    );
  const nothing = new Uint8Array();
  const data = encodePayload(nothing, new Map([[VETH_INFO_PEER, endOf(other, [])]]));
  const info = encodePayload(
    nothing,
    new Map<number, Uint8Array>([
      [IFLA_INFO.kind, text('veth')],
      [IFLA_INFO.data, data],
    ]),
  );
  return endOf(one, [[IFLA.linkInfo, info]]);
}

/** Returns the payload of RTM_NEWLINK that gives a link its alias: the kernel does not when it makes the link. */
export function aliasPayload(name: string, alias: string): Uint8Array {
  return encodePayload(
    linkHeader(0, 0, 0),
    new Map<number, Uint8Array>([
      [IFLA.name, text(name)],
      [IFLA.alias, Buffer.from(alias)],
    ]),
  );
}

/** Returns the payload of RTM_NEWLINK that changes a link: sets it up, and its MTU if one is given. */
export function linkUpPayload(ifindex: number, mtu?: number): Uint8Array {
  return encodePayload(
    linkHeader(ifindex, IFF_UP, IFF_UP),
    new Map<number, Uint8Array>(mtu === undefined ? [] : [[IFLA.mtu, u32(mtu)]]),
  );
}

/** Returns the payload of RTM_DELLINK. */
export function linkRemovalPayload(ifindex: number): Uint8Array {
  return linkHeader(ifindex, 0, 0);
}

/** Returns the payload of RTM_NEWADDR or RTM_DELADDR for an address with its network. */
export function addressPayload(ifindex: number, address: IpAddress, prefixLength: number): Uint8Array {
  const header = new Uint8Array(ADDRESS_HEADER_BYTES);
  const bytes = ipBytes(address);
  header[0] = AF[familyOf(address)];
  header[1] = prefixLength;
  new DataView(header.buffer).setUint32(4, ifindex, true);
  return encodePayload(
    header,
    new Map<number, Uint8Array>([
      [IFA.local, bytes],
      [IFA.address, bytes],
      ...(familyOf(address) === 6 ? [[IFA.flags, u32(IFA_F_NODAD)] as const] : []),
    ]),
  );
}
