/** Encodes and decodes netlink messages: headers and attributes (netlink(7), linux/netlink.h). Pure. */

/** Message types that all families share. */
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** On an answer to a dump: the list changed meanwhile, so that entries may be missing. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
/** With NLM_F_CREATE: an error if it exists. */
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** On an NLMSG_ERROR: only the header of the request is quoted. */
const NLM_F_CAPPED = 0x100;
/** On an NLMSG_ERROR: attributes with the kernel's explanation follow. */
const NLM_F_ACK_TLVS = 0x200;
/** The explanation, as text (NETLINK_EXT_ACK). */
const NLMSGERR_ATTR_MSG = 1;
/** Flags in an attribute's type (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Everything after the header. */
  readonly payload: Uint8Array;
}

/** Attributes by their type. Values are in the machine's byte order, addresses in the network's. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

function align(length: number): number {
  return (length + 3) & ~3;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeMessage(message: NetlinkMessage): Uint8Array {
  return encodeMessages([message]);
}

/** Encodes messages to one datagram. */
export function encodeMessages(messages: readonly NetlinkMessage[]): Uint8Array {
  const bytes = new Uint8Array(messages.reduce((sum, { payload }) => sum + align(HEADER_BYTES + payload.length), 0));
  const view = viewOf(bytes);
  let offset = 0;
  for (const { type, flags, sequence, payload } of messages) {
    const length = HEADER_BYTES + payload.length;
    view.setUint32(offset, length, true);
    view.setUint16(offset + 4, type, true);
    view.setUint16(offset + 6, flags, true);
    view.setUint32(offset + 8, sequence, true);
    bytes.set(payload, offset + HEADER_BYTES);
    offset += align(length);
  }
  return bytes;
}

/** Encodes a payload: the family's fixed header, then attributes. */
export function encodePayload(header: Uint8Array, attributes: Attributes): Uint8Array {
  let size = align(header.length);
  attributes.forEach((value) => {
    size += align(ATTRIBUTE_HEADER_BYTES + value.length);
  });
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  bytes.set(header);
  let offset = align(header.length);
  attributes.forEach((value, type) => {
    const length = ATTRIBUTE_HEADER_BYTES + value.length;
    view.setUint16(offset, length, true);
    view.setUint16(offset + 2, type, true);
    bytes.set(value, offset + ATTRIBUTE_HEADER_BYTES);
    offset += align(length);
  });
  return bytes;
}

/** Decodes the messages of a datagram. Leaves out a message that is cut off, and all after it. */
export function decodeMessages(datagram: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(datagram);
  for (let offset = 0; offset + HEADER_BYTES <= datagram.length;) {
    const length = view.getUint32(offset, true);
    if (length < HEADER_BYTES || offset + length > datagram.length) {
      break;
    }
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      payload: datagram.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * Decodes the attributes from `offset` to the end.
 *
 * @param wanted leaves out those of other types
 */
export function decodeAttributes(payload: Uint8Array, offset: number, wanted?: readonly number[]): Attributes {
  const attributes = new Map<number, Uint8Array>();
  const view = viewOf(payload);
  for (let at = offset; at + ATTRIBUTE_HEADER_BYTES <= payload.length;) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > payload.length) {
      break;
    }
    const type = view.getUint16(at + 2, true) & ATTRIBUTE_TYPE_MASK;
    if (wanted?.includes(type) !== false) {
      attributes.set(type, payload.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
    }
    at += align(length);
  }
  return attributes;
}

/** The content of an NLMSG_ERROR. An errno of 0 is an acknowledgement. */
export interface NetlinkAnswer {
  readonly errno: number;
  /** The kernel's explanation; often empty. */
  readonly explanation: string;
}

export function decodeAnswer({ flags, payload }: NetlinkMessage): NetlinkAnswer {
  const view = viewOf(payload);
  const errno = payload.length >= 4 ? -view.getInt32(0, true) : 0;
  if ((flags & NLM_F_ACK_TLVS) === 0 || payload.length < 4 + HEADER_BYTES) {
    return { errno, explanation: '' };
  }
  const quoted = (flags & NLM_F_CAPPED) === 0 ? view.getUint32(4, true) : HEADER_BYTES;
  const text = decodeAttributes(payload, 4 + align(quoted)).get(NLMSGERR_ATTR_MSG);
  return { errno, explanation: text === undefined ? '' : stringOf(text) };
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** Returns the number in an attribute; 0 if the attribute is missing. */
export function numberOf(attribute: Uint8Array | undefined): number {
  return attribute?.length === 4 ? viewOf(attribute).getUint32(0, true) : 0;
}

/** Returns the text in an attribute, without its terminating zero. */
export function stringOf(attribute: Uint8Array | undefined): string {
  return Buffer.from(attribute ?? [])
    .toString()
    .replace(/\0.*$/su, '');
}
