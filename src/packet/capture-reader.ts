/** Reads captures, pcap and pcapng of either byte order, as Ethernet frames. Pure. */

import {
  BLOCK,
  BLOCK_BYTES,
  BLOCK_HEADER_BYTES,
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET_BYTES,
  LINK_TYPE,
  PCAP,
  PCAP_MAGICS,
  RAW_IP_LINK_TYPES,
  SIMPLE_PACKET_BYTES,
} from './capture-format.js';
import { word } from './change.js';
import { ETHER_TYPE, MAC_BYTES } from './constants.js';

/** A frame as far as it was captured. */
export interface CapturedFrame {
  /** From 1, of all records of the file, as Wireshark counts them. */
  readonly number: number;
  /** Undefined for a frame with a link-layer header that is not known here. */
  readonly frame: Uint8Array | undefined;
}

type Frames = Generator<CapturedFrame, void, undefined>;

/**
 * Yields the frames of a capture in order. A record that is cut off, because the file was still being written, ends them.
 *
 * @param macs the first twelve bytes for frames without MACs, as captured on tunnels and on tcpdump's "any"
 * @throws RangeError for a file that is no capture
 */
export function* readCapture(file: Uint8Array, macs = new Uint8Array(2 * MAC_BYTES)): Frames {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = file.length >= 4 ? view.getUint32(0) : 0;
  if (magic === BLOCK.sectionHeader) {
    yield* readPcapng(file, view, macs);
    return;
  }
  const littleEndian = !PCAP_MAGICS.includes(magic);
  if (file.length < PCAP.headerBytes || !PCAP_MAGICS.includes(view.getUint32(0, littleEndian))) {
    throw new RangeError('not a capture file: neither pcap nor pcapng');
  }
  yield* readPcap(file, view, littleEndian, macs);
}

function* readPcap(file: Uint8Array, view: DataView, littleEndian: boolean, macs: Uint8Array): Frames {
  // The upper bits of the word say whether frames end with a checksum.
  const linkType = view.getUint32(PCAP.linkType, littleEndian) & 0xffff;
  let number = 0;
  for (let at: number = PCAP.headerBytes; at + PCAP.recordHeaderBytes <= file.length;) {
    const length = view.getUint32(at + PCAP.capturedBytes, littleEndian);
    const start = at + PCAP.recordHeaderBytes;
    if (start + length > file.length) {
      return;
    }
    number += 1;
    yield { number, frame: asEthernet(file.subarray(start, start + length), linkType, macs) };
    at = start + length;
  }
}

function* readPcapng(file: Uint8Array, view: DataView, macs: Uint8Array): Frames {
  let littleEndian = true;
  let linkTypes: number[] = [];
  let number = 0;
  for (let at = 0; at + BLOCK_BYTES <= file.length;) {
    const isSection = view.getUint32(at) === BLOCK.sectionHeader;
    if (isSection) {
      littleEndian = view.getUint32(at + BLOCK_HEADER_BYTES, true) === BYTE_ORDER_MAGIC;
      linkTypes = [];
    }
    const type = isSection ? BLOCK.sectionHeader : view.getUint32(at, littleEndian);
    const length = view.getUint32(at + 4, littleEndian);
    if (length < BLOCK_BYTES || at + length > file.length) {
      return;
    }
    const body = file.subarray(at + BLOCK_HEADER_BYTES, at + length - 4);
    const bodyView = new DataView(body.buffer, body.byteOffset, body.byteLength);
    if (type === BLOCK.interfaceDescription && body.length >= 8) {
      linkTypes.push(bodyView.getUint16(0, littleEndian));
    }
    const packet = packetOf(type, body, bodyView, littleEndian);
    if (packet !== undefined) {
      number += 1;
      yield { number, frame: asEthernet(packet.bytes, linkTypes[packet.interface] ?? -1, macs) };
    }
    at += length;
  }
}

/** Returns the bytes that a block captured, and the index of the interface; undefined for a block without a packet. */
function packetOf(
  type: number,
  body: Uint8Array,
  view: DataView,
  littleEndian: boolean,
): { interface: number; bytes: Uint8Array } | undefined {
  if (type === BLOCK.enhancedPacket && body.length >= ENHANCED_PACKET_BYTES) {
    const captured = view.getUint32(12, littleEndian);
    const bytes = body.subarray(ENHANCED_PACKET_BYTES, ENHANCED_PACKET_BYTES + captured);
    return { interface: view.getUint32(0, littleEndian), bytes };
  }
  if (type === BLOCK.simplePacket && body.length >= SIMPLE_PACKET_BYTES) {
    const original = view.getUint32(0, littleEndian);
    return { interface: 0, bytes: body.subarray(SIMPLE_PACKET_BYTES, SIMPLE_PACKET_BYTES + original) };
  }
  return undefined;
}

function asEthernet(bytes: Uint8Array, linkType: number, macs: Uint8Array): Uint8Array | undefined {
  if (linkType === LINK_TYPE.ethernet) {
    return bytes;
  }
  if (RAW_IP_LINK_TYPES.includes(linkType) && bytes.length > 0) {
    return Uint8Array.of(...macs, ...word(bytes[0]! >> 4 === 6 ? ETHER_TYPE.ipv6 : ETHER_TYPE.ipv4), ...bytes);
  }
  // The cooked header's last two bytes are the EtherType.
  return linkType === LINK_TYPE.linuxCooked && bytes.length > 16
    ? Uint8Array.of(...macs, ...bytes.subarray(14))
    : undefined;
}
