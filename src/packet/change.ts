/** Frames of every shape that the data path knows, made from a plain one. */

import { familyOf, type IpAddress, ipBytes, macBytes } from '../model/index.js';

const ETHERNET_BYTES = 14;

/** The frame with some bytes changed. */
export function patched(original: Uint8Array, ...patches: [offset: number, ...bytes: number[]][]): Uint8Array {
  const copy = Uint8Array.from(original);
  for (const [offset, ...bytes] of patches) {
    copy.set(bytes, offset);
  }
  return copy;
}

/** The frame with bytes inserted. */
export function inserted(original: Uint8Array, offset: number, bytes: Iterable<number>): Uint8Array {
  const added = Uint8Array.from(bytes);
  const result = new Uint8Array(original.length + added.length);
  result.set(original.subarray(0, offset), 0);
  result.set(added, offset);
  result.set(original.subarray(offset), offset + added.length);
  return result;
}

function word(value: number): [number, number] {
  return [value >> 8, value & 0xff];
}

/** A tag before what is there: its type and its control information (priority and id). */
export function tagged(original: Uint8Array, type: 0x8100 | 0x88a8, control: number): Uint8Array {
  return inserted(original, 12, [...word(type), ...word(control)]);
}

/** An untagged IPv4 frame with IP options, a multiple of four bytes, at most 40. */
export function withOptions(original: Uint8Array, options: readonly number[]): Uint8Array {
  const frame = inserted(original, ETHERNET_BYTES + 20, options);
  const length = (original[16]! << 8) + original[17]! + options.length;
  return patched(frame, [14, 0x45 + options.length / 4], [16, ...word(length)]);
}

/** Extension headers before the transport header of an untagged IPv6 frame; each without its "next header" byte. */
export function withExtensions(
  original: Uint8Array,
  headers: readonly { number: number; rest: readonly number[] }[],
): Uint8Array {
  const numbers = [...headers.map(({ number }) => number), original[20]!];
  const bytes = headers.flatMap(({ rest }, i) => [numbers[i + 1]!, ...rest]);
  const length = (original[18]! << 8) + original[19]! + bytes.length;
  const frame = inserted(original, ETHERNET_BYTES + 40, bytes);
  return patched(frame, [18, ...word(length)], [20, numbers[0]!]);
}

/** A fragment header: offset in bytes, whether more follow, the packet's id. */
export function fragmentHeader(offset: number, more: boolean, id: number): { number: number; rest: number[] } {
  return { number: 44, rest: [0, ...word((offset & 0xfff8) | Number(more)), 0, 0, ...word(id)] };
}

/** An untagged IPv4 frame as a fragment. */
export function ipv4Fragment(original: Uint8Array, offset: number, more: boolean, id: number): Uint8Array {
  return patched(original, [18, ...word(id)], [20, ...word((more ? 0x2000 : 0) | (offset >> 3))]);
}

/**
 * An ICMP error, from a router to the VIP, about a packet that a real server sent to a client.
 *
 * @param quoted the beginning of that packet, from its IP header on
 */
export function icmpError(options: {
  readonly destinationMac: string;
  readonly sourceMac: string;
  readonly router: IpAddress;
  readonly vip: IpAddress;
  readonly type: number;
  readonly quoted: Uint8Array;
}): Uint8Array {
  const { destinationMac, sourceMac, router, vip, type, quoted } = options;
  const ipv4 = familyOf(vip) === 4;
  const message = [type, 0, 0, 0, 0, 0, 0, 0, ...quoted];
  const header = ipv4
    ? [0x45, 0, ...word(20 + message.length), 0, 0, 0, 0, 64, 1, 0, 0, ...ipBytes(router), ...ipBytes(vip)]
    : [0x60, 0, 0, 0, ...word(message.length), 58, 64, ...ipBytes(router), ...ipBytes(vip)];
  const etherType = ipv4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Uint8Array.from([...macBytes(destinationMac), ...macBytes(sourceMac), ...etherType, ...header, ...message]);
}

/** The beginning of a packet from a real server to a client: IP header and `bytes` bytes of the transport header. */
export function replyBeginning(
  vip: IpAddress,
  port: number,
  client: IpAddress,
  clientPort: number,
  protocol: 6 | 17,
  bytes = 8,
): Uint8Array {
  const transport = new Uint8Array(bytes);
  transport.set([...word(port), ...word(clientPort)].slice(0, bytes));
  const header =
    familyOf(vip) === 4
      ? [0x45, 0, 5, 220, 0, 1, 0x40, 0, 60, protocol, 0, 0, ...ipBytes(vip), ...ipBytes(client)]
      : [0x60, 0, 0, 0, 5, 180, protocol, 60, ...ipBytes(vip), ...ipBytes(client)];
  return Uint8Array.from([...header, ...transport]);
}
