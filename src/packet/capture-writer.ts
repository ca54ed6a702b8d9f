/** Writes captures in pcapng, block by block, so that one can be written while it grows. Pure. */

import {
  BLOCK,
  BLOCK_BYTES,
  BLOCK_HEADER_BYTES,
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET_BYTES,
  LINK_TYPE,
} from './capture-format.js';

/** A frame to write. */
export interface WrittenFrame {
  /** An index into the interfaces of the header. */
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** The part that was captured. */
  readonly frame: Uint8Array;
  /** The frame's length on the wire; default: that of `frame`. */
  readonly originalBytes?: number;
}

const SECTION_BYTES = 16;
const INTERFACE_BYTES = 8;
/** Options of an interface (draft-ietf-opsawg-pcapng, 4.2): its name, and the unit of time as a negative power of ten. */
const IF_NAME = 2;
const IF_TSRESOL = 9;
const NANOSECONDS = 9;
const OPTION_HEADER_BYTES = 4;

/** Returns the beginning of a capture: a section with Ethernet interfaces and timestamps in nanoseconds. */
export function captureHeader(interfaces: readonly string[]): Uint8Array {
  const section = block(BLOCK.sectionHeader, SECTION_BYTES, (view) => {
    view.setUint32(0, BYTE_ORDER_MAGIC, true);
    view.setUint16(4, 1, true);
    // The section's length is not known.
    view.setBigInt64(8, -1n, true);
  });
  return Buffer.concat([section, ...interfaces.map(interfaceBlock)]);
}

/** Returns a frame as a block to write after `captureHeader`. */
export function captureFrame({ interface: index, timeNs, frame, originalBytes }: WrittenFrame): Uint8Array {
  return block(BLOCK.enhancedPacket, ENHANCED_PACKET_BYTES + frame.length, (view, body) => {
    view.setUint32(0, index, true);
    view.setUint32(4, Number(timeNs >> 32n), true);
    view.setUint32(8, Number(timeNs & 0xffff_ffffn), true);
    view.setUint32(12, frame.length, true);
    view.setUint32(16, originalBytes ?? frame.length, true);
    body.set(frame, ENHANCED_PACKET_BYTES);
  });
}

function interfaceBlock(name: string): Uint8Array {
  const options = Buffer.concat([
    option(IF_NAME, Buffer.from(name)),
    option(IF_TSRESOL, Uint8Array.of(NANOSECONDS)),
    new Uint8Array(OPTION_HEADER_BYTES),
  ]);
  return block(BLOCK.interfaceDescription, INTERFACE_BYTES + options.length, (view, body) => {
    view.setUint16(0, LINK_TYPE.ethernet, true);
    body.set(options, INTERFACE_BYTES);
  });
}

function option(code: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(OPTION_HEADER_BYTES + padded(value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  bytes.set(value, OPTION_HEADER_BYTES);
  return bytes;
}

/** Returns a block in little-endian byte order. `fill` writes its body. */
function block(type: number, bodyBytes: number, fill: (view: DataView, body: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES + padded(bodyBytes));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, bytes.length, true);
  view.setUint32(bytes.length - 4, bytes.length, true);
  const body = bytes.subarray(BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES + bodyBytes);
  fill(new DataView(body.buffer, body.byteOffset, body.byteLength), body);
  return bytes;
}

/** Blocks and options are padded to words. */
function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}
