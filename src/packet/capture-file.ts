/** Capture files, pcap and pcapng, of whatever machine: read back as Ethernet frames. Pure. */

/** A frame as far as it was captured. */
export interface CapturedFrame {
  /** From 1, of all records of the file, as Wireshark counts them. */
  readonly number: number;
  /** Undefined: it was captured where frames have no Ethernet header that is known here. */
  readonly frame: Uint8Array | undefined;
}

/** pcap-savefile(5): with microseconds, and with nanoseconds. */
const PCAP_MAGICS: readonly number[] = [0xa1b2c3d4, 0xa1b23c4d];
const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/** draft-ietf-opsawg-pcapng: block types, and the word by which a section's byte order is told. */
const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Type, length, and the length once more. */
const BLOCK_BYTES = 12;

/** https://www.tcpdump.org/linktypes.html */
const ETHERNET = 1;
const RAW_IP: readonly number[] = [12, 14, 101, 228, 229];
const LINUX_COOKED = 113;

/**
 * The records of a capture, in order. One that is cut off, somebody was writing it, ends the list.
 *
 * @param macs the first twelve bytes of frames that have none, as those of tunnels and of tcpdump's "any"
 * @throws RangeError when it is no capture file
 */
export function* readCapture(file: Uint8Array, macs = new Uint8Array(12)): Generator<CapturedFrame, void, undefined> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const magic = file.length >= 4 ? view.getUint32(0) : 0;
  if (magic === SECTION_HEADER) {
    yield* readPcapng(file, view, macs);
    return;
  }
  const littleEndian = !PCAP_MAGICS.includes(magic);
  if (file.length < PCAP_HEADER_BYTES || !PCAP_MAGICS.includes(view.getUint32(0, littleEndian))) {
    throw new RangeError('not a capture file: neither pcap nor pcapng');
  }
  // The upper bits of the word say whether frames end with a checksum.
  const linkType = view.getUint32(20, littleEndian) & 0xffff;
  let number = 0;
  for (let at = PCAP_HEADER_BYTES; at + RECORD_HEADER_BYTES <= file.length;) {
    const length = view.getUint32(at + 8, littleEndian);
    const start = at + RECORD_HEADER_BYTES;
    if (start + length > file.length) {
      return;
    }
    number += 1;
    yield { number, frame: asEthernet(file.subarray(start, start + length), linkType, macs) };
    at = start + length;
  }
}

function* readPcapng(file: Uint8Array, view: DataView, macs: Uint8Array): Generator<CapturedFrame, void, undefined> {
  let littleEndian = true;
  let linkTypes: number[] = [];
  let number = 0;
  for (let at = 0; at + BLOCK_BYTES <= file.length;) {
    // The section header's type is the same word in both orders.
    const isSection = view.getUint32(at) === SECTION_HEADER;
    if (isSection) {
      littleEndian = view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC;
      linkTypes = [];
    }
    const type = isSection ? SECTION_HEADER : view.getUint32(at, littleEndian);
    const length = view.getUint32(at + 4, littleEndian);
    if (length < BLOCK_BYTES || at + length > file.length) {
      return;
    }
    const body = at + 8;
    const bodyBytes = length - BLOCK_BYTES;
    if (type === INTERFACE_DESCRIPTION && bodyBytes >= 8) {
      linkTypes.push(view.getUint16(body, littleEndian));
    }
    const [header, linkType, captured] =
      type === ENHANCED_PACKET && bodyBytes >= 20
        ? [20, linkTypes[view.getUint32(body, littleEndian)], view.getUint32(body + 12, littleEndian)]
        : type === SIMPLE_PACKET && bodyBytes >= 4
          ? [4, linkTypes[0], Math.min(view.getUint32(body, littleEndian), bodyBytes - 4)]
          : [0, undefined, 0];
    if (header > 0) {
      const start = body + header;
      number += 1;
      const whole = file.subarray(start, start + Math.min(captured, bodyBytes - header));
      yield { number, frame: asEthernet(whole, linkType ?? -1, macs) };
    }
    at += length;
  }
}

function asEthernet(bytes: Uint8Array, linkType: number, macs: Uint8Array): Uint8Array | undefined {
  if (linkType === ETHERNET) {
    return bytes;
  }
  if (RAW_IP.includes(linkType) && bytes.length > 0) {
    return Uint8Array.of(...macs, ...(bytes[0]! >> 4 === 6 ? [0x86, 0xdd] : [0x08, 0x00]), ...bytes);
  }
  // Its last two bytes before the packet are the EtherType.
  return linkType === LINUX_COOKED && bytes.length > 16 ? Uint8Array.of(...macs, ...bytes.subarray(14)) : undefined;
}
