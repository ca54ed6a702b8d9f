/** Encodes and decodes rtnetlink messages: links, addresses, neighbours, routes (rtnetlink(7), linux/rtnetlink.h). Pure. */

import {
  familyOf,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  type MacAddress,
  macBytes,
  macFromBytes,
} from '../model/index.js';
import { ETHER_TYPE } from '../packet/index.js';
import { decodeAttributes, encodePayload, type NetlinkMessage, numberOf, stringOf, u32 } from './netlink.js';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_GETROUTE = 26;
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

/** Multicast groups of events (enum rtnetlink_groups). */
export const RTNLGRP = { link: 1, neighbour: 3, ipv4Address: 5, ipv6Address: 9 } as const;

export const AF = { 4: 2, 6: 10 } as const;
/** The family of a link's message. Bridges report their ports, deletion included, in the same type with AF_BRIDGE. */
const AF_UNSPEC = 0;

export const LINK_HEADER_BYTES = 16;
export const ADDRESS_HEADER_BYTES = 8;
const NEIGHBOUR_HEADER_BYTES = 12;
const ROUTE_HEADER_BYTES = 12;

export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  linkNamespace: 37,
  targetNamespace: 46,
} as const;
export const IFLA_INFO = { kind: 1, data: 2 } as const;
const IFLA_VLAN = { id: 1, protocol: 5 } as const;
export const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const;
/** Secondary or temporary, failed, deprecated, tentative (IFA_F_... in linux/if_addr.h): not the ones to answer from. */
const IFA_NOT_PREFERRED = 0x01 | 0x08 | 0x20 | 0x40;
/** RT_SCOPE_LINK (linux/rtnetlink.h). Wider scopes have smaller numbers. */
const SCOPE_LINK = 253;
const IFA_F_DADFAILED = 0x08;
const NDA = { destination: 1, linkLayerAddress: 2, protocol: 12, flagsExt: 15 } as const;
const RTA = { destination: 1, outputInterface: 4, gateway: 5, preferredSource: 7, via: 18 } as const;
/** Marks the neighbour entries that Beeline made: a number of no routing daemon (rt_protos of iproute2). */
const PROTOCOL = 0xbe;

/** What is read of messages that come by the thousand. */
const WANTED = { neighbour: Object.values<number>(NDA), route: Object.values<number>(RTA) };

/** Kinds of devices whose IFLA_LINK is the interface under them; a veth's, for example, is its peer. */
const STACKED = ['macvlan', 'macvtap', 'ipvlan', 'vlan'];

/** Asks for the route as it was configured, not for its result (linux/rtnetlink.h). Minimum kernel version: 4.15 (IPv6). */
const RTM_F_FIB_MATCH = 0x2000;

export const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x1_0000;
const RTN_LOCAL = 2;
const RTN_UNICAST = 1;
/** Clears an entry's managed flag but keeps the entry in use. */
const NTF_USE = 0x01;
/** Makes the kernel keep the entry resolved. Minimum kernel version: 5.16. */
const NTF_EXT_MANAGED = 0x01;

/** States of a neighbour in which its link-layer address may be used (NUD_VALID in net/neighbour.h). */
const NUD_VALID = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;
/** The state after all probes of the kernel went unanswered. */
const NUD_FAILED = 0x20;
const NUD_PERMANENT = 0x80;

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** All zero for interfaces without one. */
  readonly mac: MacAddress;
  readonly mtu: number;
  readonly up: boolean;
  /** Whether there is a cable, and something at its other end. */
  readonly carrier: boolean;
  /** The driver's kind of device: "bond", "vlan", "veth"; empty for hardware. */
  readonly kind: string;
  /** What somebody wrote of it ("ip link set … alias"). */
  readonly alias?: string;
  /** The index of the bond or bridge that it is a member of. */
  readonly master: number | undefined;
  /** For a macvlan or VLAN device: the index of the interface under it, if that is in the same network namespace. */
  readonly lower: number | undefined;
  /** For a VLAN device: the interface under it, and its tag. */
  readonly vlan: { readonly parent: number; readonly id: number; readonly service: boolean } | undefined;
  /** For a veth: its other end. `nsid`: that is in the network namespace with this number. */
  readonly peer: { readonly ifindex: number; readonly nsid: number | undefined } | undefined;
}

export interface Address {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Of IPv6: another host answered for it, so that this one does not use it. */
  readonly duplicate: boolean;
  /** How far the address is known; host: nowhere else. */
  readonly scope: 'global' | 'link' | 'host';
  /** A primary address that is in use and stays so. */
  readonly preferred: boolean;
  /** Of its network, IPv4 alone: the one that is configured, and the highest address (fib_add_ifaddr() in the kernel). */
  readonly broadcasts: readonly IpAddress[];
}

export interface Neighbour {
  readonly ifindex: number;
  readonly address: IpAddress;
  /** Undefined while it is not known. */
  readonly mac: MacAddress | undefined;
  /** Nobody answered. An entry without a MAC that has not failed is being resolved. */
  readonly failed: boolean;
  /** Set by hand, never resolved by the kernel. */
  readonly permanent: boolean;
  readonly managed: boolean;
  /** Beeline made it, by `permanentNeighbourPayload`. */
  readonly ours: boolean;
}

export interface Route {
  readonly kind: 'local' | 'unicast' | 'other';
  readonly ifindex: number;
  readonly gateway: IpAddress | undefined;
  /** The source address that the kernel would choose. */
  readonly source?: IpAddress | undefined;
  /** Of the network that the route is for; that of one address if the result was asked for. */
  readonly prefixLength: number;
}

export function decodeLink({ payload }: NetlinkMessage): Link | undefined {
  if (payload.length < LINK_HEADER_BYTES || payload[0] !== AF_UNSPEC) {
    return undefined;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload, LINK_HEADER_BYTES);
  const info = decodeAttributes(attributes.get(IFLA.linkInfo) ?? new Uint8Array(), 0);
  const kind = stringOf(info.get(IFLA_INFO.kind));
  const master = numberOf(attributes.get(IFLA.master));
  const parent = numberOf(attributes.get(IFLA.link));
  const nsid = attributes.get(IFLA.linkNamespace);
  const alias = stringOf(attributes.get(IFLA.alias));
  const isHere = parent !== 0 && nsid === undefined;
  return {
    kind,
    ...(alias !== '' && { alias }),
    lower: isHere && STACKED.includes(kind) ? parent : undefined,
    master: master === 0 ? undefined : master,
    vlan: kind === 'vlan' && parent !== 0 ? { parent, ...decodeVlan(info.get(IFLA_INFO.data)) } : undefined,
    peer: kind === 'veth' && parent !== 0 ? { ifindex: parent, nsid: nsid && numberOf(nsid) } : undefined,
    ifindex: view.getInt32(4, true),
    name: stringOf(attributes.get(IFLA.name)),
    mac: macFromBytes(attributes.get(IFLA.address) ?? new Uint8Array(6)),
    mtu: numberOf(attributes.get(IFLA.mtu)),
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
    carrier: (view.getUint32(8, true) & IFF_LOWER_UP) !== 0,
  };
}

/** Decodes a VLAN device's tag. Its protocol is in network order. */
function decodeVlan(data: Uint8Array = new Uint8Array()): { id: number; service: boolean } {
  const attributes = decodeAttributes(data, 0);
  const protocol = attributes.get(IFLA_VLAN.protocol);
  const bytes = attributes.get(IFLA_VLAN.id);
  return {
    id: bytes?.length === 2 ? bytes[0]! | (bytes[1]! << 8) : 0,
    service: protocol !== undefined && ((protocol[0]! << 8) | protocol[1]!) === ETHER_TYPE.serviceVlan,
  };
}

export function decodeAddress({ payload }: NetlinkMessage): Address | undefined {
  if (payload.length < ADDRESS_HEADER_BYTES) {
    return undefined;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload, ADDRESS_HEADER_BYTES);
  // On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL, where it exists, is always ours.
  const address = ipOf(attributes.get(IFA.local) ?? attributes.get(IFA.address));
  if (address === undefined) {
    return undefined;
  }
  const flags = attributes.has(IFA.flags) ? numberOf(attributes.get(IFA.flags)) : payload[2]!;
  const scope = payload[3]!;
  const configured = ipOf(attributes.get(IFA.broadcast));
  const highest = highestOf(attributes.get(IFA.address), payload[1]!);
  const broadcasts = new Set([configured, highest].filter((each) => each !== undefined));
  return {
    ifindex: view.getUint32(4, true),
    address,
    prefixLength: payload[1]!,
    duplicate: (flags & IFA_F_DADFAILED) !== 0,
    scope: scope < SCOPE_LINK ? 'global' : scope === SCOPE_LINK ? 'link' : 'host',
    preferred: (flags & IFA_NOT_PREFERRED) === 0,
    broadcasts: [...broadcasts],
  };
}

/** Returns the highest address of an IPv4 network with more than two addresses. */
function highestOf(bytes: Uint8Array | undefined, prefixLength: number): IpAddress | undefined {
  if (bytes?.length !== 4 || prefixLength > 30) {
    return undefined;
  }
  const bitsIn = (i: number): number => Math.min(8, Math.max(0, prefixLength - i * 8));
  return ipFromBytes(bytes.map((byte, i) => byte | (0xff >> bitsIn(i))));
}

export function decodeNeighbour({ payload }: NetlinkMessage): Neighbour | undefined {
  // A forwarding entry of a bridge or a VXLAN (AF_BRIDGE) comes in the same message.
  if (payload.length < NEIGHBOUR_HEADER_BYTES || (payload[0] !== AF[4] && payload[0] !== AF[6])) {
    return undefined;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = decodeAttributes(payload, NEIGHBOUR_HEADER_BYTES, WANTED.neighbour);
  const address = ipOf(attributes.get(NDA.destination));
  const mac = attributes.get(NDA.linkLayerAddress);
  const state = view.getUint16(8, true);
  return address === undefined
    ? undefined
    : {
        ifindex: view.getInt32(4, true),
        address,
        mac: mac?.length === 6 && (state & NUD_VALID) !== 0 ? macFromBytes(mac) : undefined,
        failed: (state & NUD_FAILED) !== 0,
        permanent: (state & NUD_PERMANENT) !== 0,
        managed: (numberOf(attributes.get(NDA.flagsExt)) & NTF_EXT_MANAGED) !== 0,
        ours: attributes.get(NDA.protocol)?.[0] === PROTOCOL,
      };
}

export function decodeRoute({ payload }: NetlinkMessage): Route | undefined {
  if (payload.length < ROUTE_HEADER_BYTES) {
    return undefined;
  }
  const attributes = decodeAttributes(payload, ROUTE_HEADER_BYTES, WANTED.route);
  const type = payload[7];
  const source = ipOf(attributes.get(RTA.preferredSource));
  return {
    kind: type === RTN_LOCAL ? 'local' : type === RTN_UNICAST ? 'unicast' : 'other',
    prefixLength: payload[1]!,
    ifindex: numberOf(attributes.get(RTA.outputInterface)),
    // RTA_VIA names a gateway of the other family: two bytes of family, then the address.
    gateway: ipOf(attributes.get(RTA.gateway)) ?? ipOf(attributes.get(RTA.via)?.subarray(2)),
    ...(source && { source }),
  };
}

function ipOf(bytes: Uint8Array | undefined): IpAddress | undefined {
  return bytes?.length === 4 || bytes?.length === 16 ? ipFromBytes(bytes) : undefined;
}

/** Returns the payload of RTM_GETLINK, RTM_GETADDR or RTM_GETNEIGH that lists all entries. */
export function dumpPayload(type: number): Uint8Array {
  const headers: Record<number, number> = {
    [RTM_GETLINK]: LINK_HEADER_BYTES,
    [RTM_GETADDR]: ADDRESS_HEADER_BYTES,
    [RTM_GETNEIGH]: NEIGHBOUR_HEADER_BYTES,
  };
  return new Uint8Array(headers[type]!);
}

/** Returns the payload of RTM_GETLINK for one link of another network namespace. Minimum kernel version: 4.20. */
export function linkPayload(ifindex: number, nsid: number): Uint8Array {
  const header = new Uint8Array(LINK_HEADER_BYTES);
  new DataView(header.buffer).setInt32(4, ifindex, true);
  return encodePayload(header, new Map([[IFLA.targetNamespace, u32(nsid)]]));
}

/** Returns the payload of RTM_GETROUTE that asks for the route to an address. @param asConfigured and for its network */
export function routeRequestPayload(address: IpAddress, asConfigured = false): Uint8Array {
  const header = new Uint8Array(ROUTE_HEADER_BYTES);
  const bytes = ipBytes(address);
  header[0] = AF[familyOf(address)];
  header[1] = bytes.length * 8;
  new DataView(header.buffer).setUint32(8, asConfigured ? RTM_F_FIB_MATCH : 0, true);
  return encodePayload(header, new Map([[RTA.destination, bytes]]));
}

/** Returns the payload of RTM_NEWNEIGH that makes the kernel keep an address resolved, or stops that. */
export function neighbourPayload(address: IpAddress, ifindex: number, managed: boolean): Uint8Array {
  const header = new Uint8Array(NEIGHBOUR_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, AF[familyOf(address)]);
  view.setInt32(4, ifindex, true);
  view.setUint8(10, managed ? 0 : NTF_USE);
  const attributes = new Map<number, Uint8Array>([[NDA.destination, ipBytes(address)]]);
  if (managed) {
    attributes.set(NDA.flagsExt, u32(NTF_EXT_MANAGED));
  }
  return encodePayload(header, attributes);
}

/** Returns the payload of RTM_NEWNEIGH that sets a neighbour's MAC for good, or of RTM_DELNEIGH that removes it. */
export function permanentNeighbourPayload(address: IpAddress, ifindex: number, mac?: MacAddress): Uint8Array {
  const header = new Uint8Array(NEIGHBOUR_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, AF[familyOf(address)]);
  view.setInt32(4, ifindex, true);
  view.setUint16(8, NUD_PERMANENT, true);
  const attributes = new Map<number, Uint8Array>([[NDA.destination, ipBytes(address)]]);
  if (mac !== undefined) {
    attributes.set(NDA.linkLayerAddress, macBytes(mac)).set(NDA.protocol, Uint8Array.of(PROTOCOL));
  }
  return encodePayload(header, attributes);
}
