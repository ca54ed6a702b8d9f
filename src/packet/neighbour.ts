/** ARP (RFC 826) and neighbour discovery (RFC 4861): the frames by which hosts say who has an address. Pure. */

import {
  familyOf,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  type MacAddress,
  macBytes,
  macFromBytes,
} from '../model/index.js';
import { word } from './change.js';
import { checksum, pseudoHeader } from './checksum.js';
import { ETHER_TYPE, ETHERNET, ICMP, IPV6, MAC_BYTES, SHORTEST_FRAME } from './constants.js';

/** Ethernet, IPv4, and the lengths of their addresses. */
const ARP_BEGINS = [0, 1, 8, 0, 6, 4] as const;
const ARP = { bytes: 28, operation: 6, senderMac: 8, sender: 14, target: 24 } as const;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;

/** Types of ICMPv6 messages (RFC 4861, 4). */
export const ND = { routerSolicitation: 133, routerAdvertisement: 134, solicitation: 135, advertisement: 136 } as const;
const ND_TARGET = 8;
const ND_OPTIONS = 24;
/** Options with the link-layer address of the source and of the target (RFC 4861, 4.6.1). */
export const OPTION = { source: 1, target: 2 } as const;
/** The flags of an advertisement: router, solicited, override (RFC 4861, 4.4). */
const ROUTER = 0x80;
const OVERRIDE = 0x20;
const SOLICITED = 0x40;
/** What is not of this link is worth nothing: a router would have counted it down (RFC 4861, 7.1). */
export const HOP_LIMIT = 255;

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] as const;
/** All nodes of the link (RFC 4291, 2.7.1), and their MAC (RFC 2464, 7). */
const ALL_NODES = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] as const;

/** Says or asks who has an address. */
export interface NeighbourMessage {
  readonly kind: 'asks' | 'says';
  readonly protocol: 'ARP' | 'ND';
  readonly sourceMac: MacAddress;
  readonly destinationMac: MacAddress;
  /** The address that is asked for, or that somebody says to have. */
  readonly address: IpAddress;
  /** Who has it, as the message says; of a question, the asker's own. */
  readonly mac: MacAddress | undefined;
  /** The asker's address; undefined: none, as while an address is checked for duplicates. */
  readonly asker?: IpAddress | undefined;
  /** Nobody asked: gratuitous ARP, or an unsolicited advertisement. */
  readonly unasked: boolean;
}

/** Asks all hosts of a network who has an address. @param asker undefined: as a host that checks for duplicates */
export function whoHas(
  address: IpAddress,
  from: { readonly mac: MacAddress; readonly address?: IpAddress },
): Uint8Array {
  const mac = [...macBytes(from.mac)];
  if (familyOf(address) === 4) {
    const asker = from.address === undefined ? [0, 0, 0, 0] : [...ipBytes(from.address)];
    return arpFrame(mac, BROADCAST, ARP_REQUEST, asker, [0, 0, 0, 0, 0, 0], [...ipBytes(address)]);
  }
  const target = [...ipBytes(address)];
  // Solicited-node group (RFC 4291, 2.7.1), and its MAC.
  const group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...target.slice(13)];
  const asker = from.address === undefined ? new Array<number>(16).fill(0) : [...ipBytes(from.address)];
  const option = from.address === undefined ? [] : [OPTION.source, 1, ...mac];
  return ndFrame(mac, asker, group, [ND.solicitation, 0, 0, 0, 0, 0, 0, 0, ...target, ...option]);
}

/**
 * Tells all hosts of a network who has an address: gratuitous ARP (RFC 5227, 3), or an unsolicited advertisement.
 *
 * @param isRouter whether the host forwards IPv6: hosts would otherwise forget it as their router (RFC 4861, 7.2.5)
 */
export function announcement(address: IpAddress, has: MacAddress, isRouter = false): Uint8Array {
  const mac = [...macBytes(has)];
  const own = [...ipBytes(address)];
  if (familyOf(address) === 4) {
    return arpFrame(mac, BROADCAST, ARP_REQUEST, own, [0, 0, 0, 0, 0, 0], own);
  }
  const flags = OVERRIDE | (isRouter ? ROUTER : 0);
  return ndFrame(mac, own, ALL_NODES, [ND.advertisement, 0, 0, 0, flags, 0, 0, 0, ...own, OPTION.target, 1, ...mac]);
}

function arpFrame(
  mac: readonly number[],
  to: readonly number[],
  operation: number,
  sender: readonly number[],
  targetMac: readonly number[],
  target: readonly number[],
): Uint8Array {
  const frame = new Uint8Array(SHORTEST_FRAME);
  frame.set([
    ...[...to, ...mac, ...word(ETHER_TYPE.arp)],
    ...[...ARP_BEGINS, ...word(operation), ...mac, ...sender, ...targetMac, ...target],
  ]);
  return frame;
}

/** A message of neighbour or router discovery to a group. @param message with zeros in place of its checksum */
export function ndFrame(
  mac: readonly number[],
  source: readonly number[],
  destination: readonly number[],
  message: number[],
): Uint8Array {
  const addresses = [...source, ...destination];
  message.splice(2, 2, ...checksum([...pseudoHeader(6, addresses, ICMP.ipv6, message.length), ...message]));
  // Groups of IPv6 have MACs that begin with 33:33 and end as the group does (RFC 2464, 7).
  const link = [0x33, 0x33, ...destination.slice(12), ...mac, ...word(ETHER_TYPE.ipv6)];
  const header = [0x60, 0, 0, 0, ...word(message.length), ICMP.ipv6, HOP_LIMIT, ...addresses];
  return Uint8Array.from([...link, ...header, ...message]);
}

/** Reads a frame; undefined if it is neither ARP nor neighbour discovery. */
export function parseNeighbour(frame: Uint8Array): NeighbourMessage | undefined {
  if (frame.length < ETHERNET.bytes) {
    return undefined;
  }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const link = {
    destinationMac: macFromBytes(frame.subarray(0, MAC_BYTES)),
    sourceMac: macFromBytes(frame.subarray(ETHERNET.sourceMac, ETHERNET.sourceMac + MAC_BYTES)),
  };
  const type = view.getUint16(ETHERNET.type);
  const body = frame.subarray(ETHERNET.bytes);
  const message = type === ETHER_TYPE.arp ? parseArp(body) : type === ETHER_TYPE.ipv6 ? parseNd(body) : undefined;
  return message && { ...link, ...message };
}

type Message = Omit<NeighbourMessage, 'sourceMac' | 'destinationMac'>;

function parseArp(body: Uint8Array): Message | undefined {
  if (body.length < ARP.bytes || ARP_BEGINS.some((byte, i) => body[i] !== byte)) {
    return undefined;
  }
  const operation = body[ARP.operation]! * 256 + body[ARP.operation + 1]!;
  const mac = macFromBytes(body.subarray(ARP.senderMac, ARP.senderMac + MAC_BYTES));
  const sender = ipFromBytes(body.subarray(ARP.sender, ARP.sender + 4));
  const target = ipFromBytes(body.subarray(ARP.target, ARP.target + 4));
  // "Gratuitous" in both forms: a request or a reply about the sender's own address.
  const unasked = sender === target;
  if (operation === ARP_REPLY || (operation === ARP_REQUEST && unasked)) {
    return { kind: 'says', protocol: 'ARP', address: sender, mac, unasked };
  }
  const asker = sender === '0.0.0.0' ? undefined : sender;
  return operation === ARP_REQUEST
    ? { kind: 'asks', protocol: 'ARP', address: target, mac, asker, unasked: false }
    : undefined;
}

function parseNd(body: Uint8Array): Message | undefined {
  if (
    body.length < IPV6.bytes + ND_OPTIONS ||
    body[IPV6.nextHeader] !== ICMP.ipv6 ||
    body[IPV6.hopLimit] !== HOP_LIMIT
  ) {
    return undefined;
  }
  const message = body.subarray(IPV6.bytes);
  const kind = message[0] === ND.solicitation ? 'asks' : message[0] === ND.advertisement ? 'says' : undefined;
  if (kind === undefined) {
    return undefined;
  }
  const address = ipFromBytes(message.subarray(ND_TARGET, ND_TARGET + IPV6.addressBytes));
  const mac = linkAddressIn(message.subarray(ND_OPTIONS), kind === 'says' ? OPTION.target : OPTION.source);
  if (kind === 'asks') {
    const source = ipFromBytes(body.subarray(IPV6.source, IPV6.source + IPV6.addressBytes));
    return { kind, protocol: 'ND', address, mac, asker: source === '::' ? undefined : source, unasked: false };
  }
  return { kind, protocol: 'ND', address, mac, unasked: (message[4]! & SOLICITED) === 0 };
}

function linkAddressIn(options: Uint8Array, wanted: number): MacAddress | undefined {
  for (let at = 0; at + 8 <= options.length && options[at + 1]! > 0; at += options[at + 1]! * 8) {
    if (options[at] === wanted) {
      return macFromBytes(options.subarray(at + 2, at + 2 + MAC_BYTES));
    }
  }
  return undefined;
}
