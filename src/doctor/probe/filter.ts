/** The classic BPF program that lets through what the doctor listens to. Pure. */

import { PROTOCOL_NUMBERS } from '../../model/index.js';
import { ECHO, ETHER_TYPE, ETHERNET, ICMP, IPV4, IPV6, PROTOCOL_VRRP } from '../../packet/index.js';

/** Opcodes (linux/bpf_common.h, linux/filter.h). */
const OP = {
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  loadHalfAtX: 0x48,
  loadByteAtX: 0x50,
  /** X = 4 × (the low half of a byte): the length of an IPv4 header. */
  loadHeaderLength: 0xb1,
  and: 0x54,
  ifEqual: 0x15,
  ifAtLeast: 0x35,
  return: 0x06,
} as const;

/** Places that are no bytes of the frame (SKF_AD_OFF): its kind, and a VLAN tag that the card took off. */
const ANCILLARY = -0x1000;
const PACKET_KIND = (ANCILLARY + 4) >>> 0;
const TAG = (ANCILLARY + 44) >>> 0;
const OUTGOING = 4;
/** The bits of a tag that are the VLAN's number; 0: the tag is for a priority alone (IEEE 802.1Q, 6.8). */
const VLAN_ID = 0xfff;

/** Types of ICMPv6 messages from router solicitation to redirect (RFC 4861, 4); of errors, up to parameter problem. */
const ND_FIRST = 133;
const ND_LAST = 137;
const ICMP6_LAST_ERROR = 4;
const ICMP_UNREACHABLE = 3;
const ICMP_EXPIRED = 11;

const ACCEPT = 0xffff_ffff;

/** What the doctor's own packets have, by which their answers are known. */
export interface Marks {
  /** The identifier of echo requests. */
  readonly echoId: number;
  /** The source ports of SYNs, one after the other, from the first on. */
  readonly firstPort: number;
  readonly ports: number;
}

type Instruction = readonly [op: number, ifTrue: string | 0, ifFalse: string | 0, k: number];

/**
 * Lets through, of frames that arrive: ARP, neighbour and router discovery, VRRP, ICMP errors, and the answers to the
 * doctor's own packets. A frame of a VLAN whose tag the card took off is that VLAN's, and not heard here.
 */
export function filterFor({ echoId, firstPort, ports }: Marks): Uint8Array {
  const ip4 = ETHERNET.bytes;
  const ip6 = ETHERNET.bytes;
  const l4 = ip6 + IPV6.bytes;
  const program: (Instruction | string)[] = [
    [OP.loadWord, 0, 0, PACKET_KIND],
    [OP.ifEqual, 'reject', 0, OUTGOING],
    [OP.loadWord, 0, 0, TAG],
    [OP.and, 0, 0, VLAN_ID],
    [OP.ifEqual, 0, 'reject', 0],
    [OP.loadHalf, 0, 0, ETHERNET.type],
    [OP.ifEqual, 'accept', 0, ETHER_TYPE.arp],
    [OP.ifEqual, 'ipv6', 0, ETHER_TYPE.ipv6],
    [OP.ifEqual, 0, 'reject', ETHER_TYPE.ipv4],
    [OP.loadByte, 0, 0, ip4 + IPV4.protocol],
    [OP.ifEqual, 'accept', 0, PROTOCOL_VRRP],
    [OP.ifEqual, 'tcp4', 0, PROTOCOL_NUMBERS.tcp],
    [OP.ifEqual, 0, 'reject', ICMP.ipv4],
    [OP.loadHeaderLength, 0, 0, ip4],
    [OP.loadByteAtX, 0, 0, ip4],
    [OP.ifEqual, 'accept', 0, ICMP_UNREACHABLE],
    [OP.ifEqual, 'accept', 0, ICMP_EXPIRED],
    [OP.ifEqual, 0, 'reject', ECHO[4].reply],
    [OP.loadHalfAtX, 0, 0, ip4 + 4],
    [OP.ifEqual, 'accept', 'reject', echoId],
    'tcp4',
    [OP.loadHeaderLength, 0, 0, ip4],
    [OP.loadHalfAtX, 0, 0, ip4 + 2],
    [OP.ifAtLeast, 0, 'reject', firstPort],
    [OP.ifAtLeast, 'reject', 'accept', firstPort + ports],
    'ipv6',
    [OP.loadByte, 0, 0, ip6 + IPV6.nextHeader],
    [OP.ifEqual, 'accept', 0, PROTOCOL_VRRP],
    [OP.ifEqual, 'tcp6', 0, PROTOCOL_NUMBERS.tcp],
    [OP.ifEqual, 0, 'reject', ICMP.ipv6],
    [OP.loadByte, 0, 0, l4],
    [OP.ifAtLeast, 0, 'error6', ICMP6_LAST_ERROR + 1],
    [OP.ifEqual, 'echo6', 0, ECHO[6].reply],
    [OP.ifAtLeast, 0, 'reject', ND_FIRST],
    [OP.ifAtLeast, 'reject', 'accept', ND_LAST + 1],
    'error6',
    [OP.ifEqual, 'reject', 'accept', 0],
    'echo6',
    [OP.loadHalf, 0, 0, l4 + 4],
    [OP.ifEqual, 'accept', 'reject', echoId],
    'tcp6',
    [OP.loadHalf, 0, 0, l4 + 2],
    [OP.ifAtLeast, 0, 'reject', firstPort],
    [OP.ifAtLeast, 'reject', 'accept', firstPort + ports],
    'accept',
    [OP.return, 0, 0, ACCEPT],
    'reject',
    [OP.return, 0, 0, 0],
  ];
  return assemble(program);
}

/** A text is a label: of the instruction after it. Jumps count from the next instruction on (struct sock_filter). */
function assemble(program: readonly (Instruction | string)[]): Uint8Array {
  const labels = new Map<string, number>();
  const instructions: Instruction[] = [];
  for (const each of program) {
    if (typeof each === 'string') {
      labels.set(each, instructions.length);
    } else {
      instructions.push(each);
    }
  }
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([op, ifTrue, ifFalse, k], i) => {
    const jump = (label: string | 0): number => (label === 0 ? 0 : labels.get(label)! - i - 1);
    // In the host's order: every processor that Beeline runs on is little-endian.
    view.setUint16(i * 8, op, true);
    view.setUint8(i * 8 + 2, jump(ifTrue));
    view.setUint8(i * 8 + 3, jump(ifFalse));
    view.setUint32(i * 8 + 4, k, true);
  });
  return bytes;
}
