/** Reads a later fragment that the program handed over: which packet it is a part of, and which part. */

import type { Family } from '../../model/index.js';
import {
  ETHER_TYPE,
  ETHERNET,
  IPV4,
  IPV4_FRAGMENT,
  IPV6,
  IPV6_EXTENSIONS,
  IPV6_FRAGMENT,
  TAG_BYTES,
  TAG_TYPES,
} from '../../packet/index.js';
import type { FragmentedPacket } from './table.js';

/** The number of IPsec's authentication header, whose length is in other units (RFC 4302, 2). */
const AUTHENTICATION = 51;

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
    let at: number = ETHERNET.bytes;
    while (TAG_TYPES.includes(view.getUint16(at - 2))) {
      at += TAG_BYTES;
    }
    return view.getUint16(at - 2) === ETHER_TYPE.ipv4
      ? laterFragment4(frame, view, at)
      : laterFragment6(frame, view, at);
  } catch (error) {
    // A DataView ends where the frame ends.
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function laterFragment4(frame: Uint8Array, view: DataView, at: number): LaterFragment {
  const protocol = view.getUint8(at + IPV4.protocol);
  const [source, destination] = [at + IPV4.source, at + IPV4.destination];
  const end = destination + IPV4.addressBytes;
  return {
    family: 4,
    source: frame.subarray(source, destination),
    destination: frame.subarray(destination, end),
    id: `${protocol} ${view.getUint16(at + IPV4.id)}`,
    addresses: frame.subarray(source, end),
    rest: Uint8Array.of(view.getUint8(at + IPV4.id), view.getUint8(at + IPV4.id + 1), protocol),
    offset: view.getUint16(at + IPV4.fragment) & IPV4_FRAGMENT.offset,
  };
}

function laterFragment6(frame: Uint8Array, view: DataView, start: number): LaterFragment | undefined {
  let next = view.getUint8(start + IPV6.nextHeader);
  let at = start + IPV6.bytes;
  while (next !== IPV6_FRAGMENT.header && (IPV6_EXTENSIONS.includes(next) || next === AUTHENTICATION)) {
    const length = view.getUint8(at + 1);
    const bytes = next === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
    next = view.getUint8(at);
    at += bytes;
  }
  if (next !== IPV6_FRAGMENT.header) {
    return undefined;
  }
  const [source, destination] = [start + IPV6.source, start + IPV6.destination];
  const end = destination + IPV6.addressBytes;
  return {
    family: 6,
    source: frame.subarray(source, destination),
    destination: frame.subarray(destination, end),
    id: String(view.getUint32(at + 4)),
    addresses: frame.subarray(source, end),
    rest: frame.subarray(at + 4, at + 8),
    offset: view.getUint16(at + 2) >> 3,
  };
}
