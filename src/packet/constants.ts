/** Field values, field offsets and lengths of Ethernet, IP, TCP and UDP headers. */

/** EtherTypes of packets and VLAN tags (IANA, IEEE 802 Numbers). */
export const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, serviceVlan: 0x88a8 } as const;

/** Types of VLAN tags: IEEE 802.1Q and 802.1ad. */
export const TAG_TYPES: readonly number[] = [ETHER_TYPE.vlan, ETHER_TYPE.serviceVlan];

/** IEEE 802.3, 3.1.1. */
export const ETHERNET = { bytes: 14, destinationMac: 0, sourceMac: 6, type: 12 } as const;
export const MAC_BYTES = 6;
/** The shortest frame on a wire, checksum left out (IEEE 802.3, 4.4.2). */
export const SHORTEST_FRAME = 60;
/** A VLAN tag: its type, then priority and id (IEEE 802.1Q, 9.3). */
export const TAG_BYTES = 4;
export const VLAN_ID_MASK = 0xfff;

/** RFC 791, 3.1. `bytes` is the length without options. */
export const IPV4 = {
  bytes: 20,
  addressBytes: 4,
  length: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
} as const;
/** Flags and offset of the fragment field (RFC 791, 3.1). */
export const IPV4_FRAGMENT = { dont: 0x4000, more: 0x2000, offset: 0x1fff } as const;

/** RFC 8200, 3. */
export const IPV6 = {
  bytes: 40,
  addressBytes: 16,
  length: 4,
  nextHeader: 6,
  hopLimit: 7,
  source: 8,
  destination: 24,
} as const;
/** Hop-by-hop options, routing, fragment and destination options (RFC 8200, 4). */
export const IPV6_EXTENSIONS: readonly number[] = [0, 43, 44, 60];
/** The number and the fields of the fragment header (RFC 8200, 4.5). */
export const IPV6_FRAGMENT = { header: 44, bytes: 8, more: 0x0001, offset: 0xfff8 } as const;

/** VRRP's protocol number (RFC 5798, 5.1.1.4). */
export const PROTOCOL_VRRP = 112;

/** Protocol numbers of ICMP (RFC 792) and ICMPv6 (RFC 4443). */
export const ICMP = { ipv4: 1, ipv6: 58, headerBytes: 8 } as const;

/** RFC 9293, 3.1. `bytes` is the length without options. */
export const TCP = { bytes: 20, sequence: 4, acknowledgement: 8, dataOffset: 12, flags: 13 } as const;
export const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 } as const;

/** RFC 768. */
export const UDP = { bytes: 8, length: 4 } as const;
