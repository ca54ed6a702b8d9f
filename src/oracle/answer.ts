/** The ICMP errors that the director sends about packets that cannot go on: the twin of bpf/answer.h. */

import type { Image } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';
import { type Family, ipBytes } from '../model/index.js';
import { ICMP_BYTES, ICMP_PROTOCOL } from './icmp.js';
import { type Maps, uses } from './maps.js';
import { bytesKey, type Frame, IP_HEADER, type Packet } from './parse.js';
import type { Header } from './walk.js';

/** The reasons that have an answer. */
export type Answered = 'ttl' | 'too-long' | 'no-destination' | 'no-egress';

/** Type and code by reason (RFC 792, RFC 1191; RFC 4443, 3). */
const MESSAGES: Readonly<Record<Answered, Readonly<Record<Family, readonly [type: number, code: number]>>>> = {
  ttl: { 4: [11, 0], 6: [3, 0] },
  'too-long': { 4: [3, 4], 6: [2, 0] },
  'no-destination': { 4: [3, 3], 6: [1, 4] },
  'no-egress': { 4: [3, 1], 6: [1, 3] },
};
/** The longest answers (RFC 1812, 4.3.2.3; RFC 4443, 2.4). */
const LONGEST = { 4: 576, 6: 1280 } as const;
/** The least MTU of a way for IPv6 (RFC 8200, 5). */
const LEAST_MTU6 = 1280;
/** A quote has so much of the transport header at least (RFC 792). A shorter packet contradicts itself. */
const LEAST_QUOTED = 8;
const DONT_FRAGMENT = 0x40;
const TTL = 64;
/** Answers at once to one client (XRLIM_BURST_FACTOR in net/ipv4/inetpeer.c). */
const CLIENT_BURST = 6;
/** Seconds until the next answer where there are none: as setAnswerLimits() says it. */
const NEVER = 4295;

export interface Answer {
  readonly verdict: VerdictName;
  readonly frame: Uint8Array;
}

/**
 * Answers a packet that cannot go on.
 *
 * @param ingress index of the interface that it came by
 * @param mtu of the interface that it is too long for
 */
export function answer(
  maps: Maps,
  frame: Frame,
  header: Header,
  packet: Packet,
  reason: Answered,
  { ingress, mtu = 0 }: { readonly ingress: number | undefined; readonly mtu?: number },
): Answer {
  const { image } = maps;
  const { bytes } = frame;
  const { family, offset } = header;
  if (family === 4 && reason === 'too-long' && (bytes[offset + 6]! & DONT_FRAGMENT) === 0) {
    return { verdict: 'not-fragmented', frame: bytes };
  }
  const arrival = uses(image, 'nics') ? ingress : image.interfaces[0]?.ifindex;
  const source = image.answerSources.get(arrival ?? 0)?.[family];
  if (
    packet.unanswerable ||
    source === undefined ||
    quotedBytes(frame, header) < IP_HEADER[family].bytes + LEAST_QUOTED ||
    !hasOneSource(bytes, header)
  ) {
    return { verdict: 'unanswered', frame: bytes };
  }
  const [type, code] = MESSAGES[reason][family];
  if (!isWithinLimits(maps, header, type, family === 4 && reason === 'too-long')) {
    return { verdict: 'limited', frame: bytes };
  }
  const shown = reason === 'too-long' ? (family === 6 ? Math.max(mtu, LEAST_MTU6) : mtu) : 0;
  const message = [type, code, 0, 0, 0, 0, shown >> 8, shown & 0xff];
  return { verdict: reason, frame: build(frame, header, ipBytes(source), message) };
}

/** Whether one host sent the packet (RFC 1122, 3.2.2). */
function hasOneSource(bytes: Uint8Array, { family, source }: Header): boolean {
  if ((bytes[6]! & 1) !== 0) {
    return false;
  }
  if (family === 4) {
    return source[0] !== 0 && source[0] !== 127 && source[0]! < 224;
  }
  // Neither multicast nor :: nor ::1.
  return source[0] !== 0xff && (source.subarray(0, 15).some((byte) => byte !== 0) || source[15]! > 1);
}

/** How much of a packet is quoted: without the padding of short frames, and not more than an answer may have. */
function quotedBytes({ bytes }: Frame, { family, offset, bytes: whole }: Header): number {
  return Math.min(whole, bytes.length - offset, LONGEST[family] - IP_HEADER[family].bytes - ICMP_BYTES);
}

/** The frame of an ICMP error: the packet's beginning behind two new headers. */
function build(frame: Frame, header: Header, source: Uint8Array, message: readonly number[]): Uint8Array {
  const { bytes } = frame;
  const { family, offset, source: client } = header;
  const ipHeader = IP_HEADER[family].bytes;
  const quoted = quotedBytes(frame, header);
  const start = offset + ipHeader;
  const sent = new Uint8Array(start + ICMP_BYTES + quoted);
  const view = new DataView(sent.buffer);
  sent.set(bytes.subarray(6, 12), 0);
  sent.set(bytes.subarray(0, 6), 6);
  sent.set(bytes.subarray(12, offset), 12);
  sent.set(message, start);
  sent.set(bytes.subarray(offset, offset + quoted), start + ICMP_BYTES);
  sent.set(source, offset + IP_HEADER[family].source);
  sent.set(client, offset + IP_HEADER[family].destination);
  const icmpBytes = ICMP_BYTES + quoted;
  if (family === 4) {
    // Precedence "internetwork control", and the packet's type of service (RFC 1812, 4.3.2.5).
    sent.set([0x45, 0xc0 | (bytes[offset + 1]! & 0x1e)], offset);
    view.setUint16(offset + 2, ipHeader + icmpBytes);
    sent.set([DONT_FRAGMENT, 0, TTL, ICMP_PROTOCOL[4]], offset + 6);
    view.setUint16(offset + 10, checksum(sent.subarray(offset, start)));
    view.setUint16(start + 2, checksum(sent.subarray(start)));
  } else {
    sent.set([0x60], offset);
    view.setUint16(offset + 4, icmpBytes);
    sent.set([ICMP_PROTOCOL[6], TTL], offset + 6);
    const pseudo = [...source, ...client, 0, 0, icmpBytes >> 8, icmpBytes & 0xff, 0, 0, 0, ICMP_PROTOCOL[6]];
    view.setUint16(start + 2, checksum(Uint8Array.from([...pseudo, ...sent.subarray(start)])));
  }
  return sent;
}

/** The checksum of IP and ICMP (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  bytes.forEach((byte, i) => {
    sum += i % 2 === 0 ? byte << 8 : byte;
  });
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ~sum & 0xffff;
}

/** Whether the kernel would send it too, at the same rate of errors: to this client, then to all. */
function isWithinLimits(maps: Maps, { family, source }: Header, type: number, exempt: boolean): boolean {
  const { image, recall } = maps;
  const limits = image.icmpLimits;
  // An explanation is about the packet, not about those before it.
  if (limits === undefined || recall !== undefined || exempt || ((limits.limitedTypes[family] >> type) & 1) === 0) {
    return true;
  }
  const interval = limits.intervalMs[family] / 1000;
  return (
    (interval === 0 || take(maps, bytesKey(source), interval, CLIENT_BURST)) &&
    take(maps, '', limits.perSecond === 0 ? NEVER : 1 / limits.perSecond, limits.burst)
  );
}

/** Takes an answer from a bucket, of which it is known when it is full. It gains one each interval, in seconds. */
function take({ memory, now }: Maps, bucket: string, interval: number, burst: number): boolean {
  const full = Math.max(memory.answers.get(bucket) ?? 0, now()) + interval;
  if (full - now() > burst * interval) {
    return false;
  }
  memory.answers.set(bucket, full);
  return true;
}

/** Forgets what was taken at a slower pace, or of more: the twin of setAnswerLimits() in src/dataplane/maps/answers.ts. */
export function forgetAnswers({ answers }: Maps['memory'], { icmpLimits: before }: Image, { icmpLimits }: Image): void {
  if (before === undefined || icmpLimits === undefined) {
    return;
  }
  const { intervalMs, perSecond, burst } = icmpLimits;
  const isShorter = ([4, 6] as const).some((family) => intervalMs[family] < before.intervalMs[family]);
  const isFaster = perSecond > before.perSecond || burst < before.burst;
  for (const bucket of answers.keys()) {
    if (bucket === '' ? isFaster : isShorter) {
      answers.delete(bucket);
    }
  }
}
