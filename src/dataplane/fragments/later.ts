/** Reads a later fragment that the program handed over: which packet it is a part of, and which part. */

import type { Family } from '../../model/index.js';
import type { FragmentedPacket } from './table.js';

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const TAG_TYPES: readonly number[] = [0x8100, 0x88a8];
const IPV6_BYTES = 40;
/** Next-header values (RFC 8200) that can stand before the fragment header, and its own. */
const AUTHENTICATION = 51;
const EXTENSIONS: readonly number[] = [0, 43, AUTHENTICATION, 60];
const FRAGMENT = 44;

export interface LaterFragment extends FragmentedPacket {
  readonly family: Family;
  /** What the table's hash is made of: both addresses; then IPv4's id and protocol, or IPv6's id. */
  readonly addresses: Uint8Array;
  readonly rest: Uint8Array;
  /** Where in the packet its bytes belong, in units of eight. */
  readonly offset: number;
}

/** Returns undefined for what is no later fragment: the program hands none such over. */
export function laterFragment(frame: Uint8Array): LaterFragment | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  try {
    let at = ETHERNET_BYTES;
    while (TAG_TYPES.includes(view.getUint16(at - 2))) {
      at += TAG_BYTES;
    }
    return view.getUint16(at - 2) === 0x0800 ? laterFragment4(frame, view, at) : laterFragment6(frame, view, at);
  } catch (error) {
    // A DataView ends where the frame ends.
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function laterFragment4(frame: Uint8Array, view: DataView, at: number): LaterFragment {
  const protocol = view.getUint8(at + 9);
  return {
    family: 4,
    source: frame.subarray(at + 12, at + 16),
    destination: frame.subarray(at + 16, at + 20),
    id: `${protocol} ${view.getUint16(at + 4)}`,
    addresses: frame.subarray(at + 12, at + 20),
    rest: Uint8Array.of(view.getUint8(at + 4), view.getUint8(at + 5), protocol),
    offset: view.getUint16(at + 6) & 0x1fff,
  };
}

function laterFragment6(frame: Uint8Array, view: DataView, start: number): LaterFragment | undefined {
  let next = view.getUint8(start + 6);
  let at = start + IPV6_BYTES;
  while (EXTENSIONS.includes(next)) {
    const length = view.getUint8(at + 1);
    const bytes = next === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
    next = view.getUint8(at);
    at += bytes;
  }
  if (next !== FRAGMENT) {
    return undefined;
  }
  return {
    family: 6,
    source: frame.subarray(start + 8, start + 24),
    destination: frame.subarray(start + 24, start + 40),
    id: String(view.getUint32(at + 4)),
    addresses: frame.subarray(start + 8, start + 40),
    rest: frame.subarray(at + 4, at + 8),
    offset: view.getUint16(at + 2) >> 3,
  };
}
