/** Numbers of the capture formats pcap and pcapng. */

/** pcap-savefile(5): the first word of a file with timestamps in microseconds, and in nanoseconds. */
export const PCAP_MAGICS: readonly number[] = [0xa1b2c3d4, 0xa1b23c4d];
export const PCAP = { headerBytes: 24, linkType: 20, recordHeaderBytes: 16, capturedBytes: 8 } as const;

/** draft-ietf-opsawg-pcapng, 4: block types. The section header's type is the same word in both byte orders. */
export const BLOCK = {
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  simplePacket: 3,
  enhancedPacket: 6,
} as const;
/** The second word of a section header, by which the section's byte order is recognized. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Around a block's body: its type, its length, and its length again at the end. */
export const BLOCK_HEADER_BYTES = 8;
export const BLOCK_BYTES = BLOCK_HEADER_BYTES + 4;
/** Before the frame in an enhanced packet block: interface, two words of time, captured and original length. */
export const ENHANCED_PACKET_BYTES = 20;
/** Before the frame in a simple packet block: the original length. */
export const SIMPLE_PACKET_BYTES = 4;

/** Link types, the kinds of headers that captured frames begin with: https://www.tcpdump.org/linktypes.html */
export const LINK_TYPE = { ethernet: 1, linuxCooked: 113 } as const;
export const RAW_IP_LINK_TYPES: readonly number[] = [12, 14, 101, 228, 229];
