/** Sorts what the doctor hears: answers to its own packets, and what hosts say of their addresses. Pure. */

import { type MacAddress, PROTOCOL_NUMBERS } from '../../model/index.js';
import {
  ECHO,
  ICMP,
  IPV4,
  IPV6,
  ND,
  parseFrame,
  type ParsedFrame,
  type ParsedPacket,
  parseNeighbour,
  PROTOCOL_VRRP,
  TCP,
  TCP_FLAG,
} from '../../packet/index.js';
import type { HeardFrame, HeardMessage, Outcome } from '../facts.js';
import type { Marks } from './filter.js';

/** A network may be loud: the doctor keeps the first ones. */
const MOST_FRAMES = 1_000;
const MOST_MESSAGES = 100_000;

export interface EarOptions {
  readonly marks: Marks;
  readonly nameOf: (ifindex: number) => string;
  /** This host's MACs: what a network floods to all is no answer. */
  readonly own: ReadonlySet<MacAddress>;
  /** Called for what hosts say of their addresses. */
  readonly onMessage: (message: HeardMessage) => void;
}

/** ICMP's words for what routers and hosts refuse (RFC 792, RFC 4443), by family, type and code. */
const ICMP_WORDS: Readonly<Record<string, string>> = {
  '4/3/0': 'network unreachable',
  '4/3/1': 'host unreachable',
  '4/3/2': 'protocol unreachable',
  '4/3/3': 'port unreachable',
  '4/3/4': 'fragmentation needed',
  '4/3/9': 'network prohibited',
  '4/3/10': 'host prohibited',
  '4/3/13': 'prohibited by a filter',
  '4/11/0': 'time to live exceeded',
  '6/1/0': 'no route',
  '6/1/1': 'prohibited by a filter',
  '6/1/3': 'address unreachable',
  '6/1/4': 'port unreachable',
  '6/2/0': 'packet too big',
  '6/3/0': 'hop limit exceeded',
};

/** One packet that asks for an answer. */
interface Waiting {
  readonly settle: (outcome: Outcome) => void;
  sentAt: number | undefined;
}

export class Ear {
  readonly vrrp: HeardFrame[] = [];
  readonly routerAdvertisements: HeardFrame[] = [];
  readonly #marks: Marks;
  readonly #nameOf: (ifindex: number) => string;
  readonly #own: ReadonlySet<MacAddress>;
  readonly #onMessage: EarOptions['onMessage'];
  #messages = 0;
  readonly #echoes = new Map<number, Waiting>();
  readonly #segments = new Map<number, Waiting>();
  /** The answers to SYNs, which the asker must end: by the sequence number that asked. */
  onSynAck: (sequence: number) => void = () => undefined;

  constructor({ marks, nameOf, own, onMessage }: EarOptions) {
    this.#marks = marks;
    this.#nameOf = nameOf;
    this.#own = own;
    this.#onMessage = onMessage;
  }

  /** Waits for the answer to an echo request. @returns what to call when it goes out */
  expectEcho(sequence: number, settle: Waiting['settle']): (at: number) => void {
    return expectIn(this.#echoes, sequence, settle);
  }

  /** Waits for the answer to a SYN with a sequence number, which no other one has. @returns what to call when it goes out */
  expectSegment(sequence: number, settle: Waiting['settle']): (at: number) => void {
    return expectIn(this.#segments, sequence, settle);
  }

  /** @param at milliseconds since the doctor began to listen */
  hear(ifindex: number, frame: Uint8Array, at: number): void {
    const from = this.#nameOf(ifindex);
    const message = parseNeighbour(frame);
    if (message !== undefined) {
      this.#messages += 1;
      if (this.#messages <= MOST_MESSAGES) {
        this.#onMessage({ ...message, interface: from, at });
      }
      return;
    }
    const parsed = parseFrame(frame);
    const { ip } = parsed;
    // A later fragment begins anywhere in its packet.
    if (ip === undefined || ip.fragment === 'later') {
      return;
    }
    if (ip.protocol === PROTOCOL_VRRP) {
      keep(this.vrrp, { interface: from, at, bytes: frame });
    } else if (ip.protocol === PROTOCOL_NUMBERS.tcp) {
      if (this.#own.has(parsed.destinationMac)) {
        this.#hearSegment(parsed, ip, frame, at);
      }
    } else {
      this.#hearIcmp(parsed, ip, frame, { interface: from, at, bytes: frame });
    }
  }

  #hearSegment(
    { sourceMac }: ParsedFrame,
    { transport, tcpFlags = 0 }: ParsedPacket,
    frame: Uint8Array,
    at: number,
  ): void {
    // Both a SYN-ACK and the reset that refuses a SYN acknowledge it (RFC 9293, 3.10.7.1).
    const acknowledged = wordAt(frame, transport + TCP.acknowledgement);
    const sequence = acknowledged === undefined ? undefined : (acknowledged - 1) >>> 0;
    const waiting = sequence === undefined ? undefined : this.#segments.get(sequence);
    if (sequence === undefined || waiting?.sentAt === undefined) {
      return;
    }
    const ms = at - waiting.sentAt;
    if ((tcpFlags & TCP_FLAG.rst) !== 0) {
      waiting.settle({ kind: 'refused', text: 'RST', mac: sourceMac, ms });
    } else if ((tcpFlags & (TCP_FLAG.syn | TCP_FLAG.ack)) === (TCP_FLAG.syn | TCP_FLAG.ack)) {
      waiting.settle({ kind: 'answer', text: 'SYN-ACK', mac: sourceMac, ms });
      this.onSynAck(sequence);
    }
  }

  #hearIcmp({ sourceMac, destinationMac }: ParsedFrame, ip: ParsedPacket, frame: Uint8Array, heard: HeardFrame): void {
    const { family, transport, source } = ip;
    const [type = 0, code = 0] = frame.subarray(transport);
    if (family === 6 && type === ND.routerAdvertisement) {
      keep(this.routerAdvertisements, heard);
      return;
    }
    const message = frame.subarray(transport);
    if (message.length < ICMP.headerBytes || !this.#own.has(destinationMac)) {
      return;
    }
    if (type === ECHO[family].reply) {
      const waiting = this.#echoOf(message);
      if (waiting?.sentAt !== undefined) {
        waiting.settle({ kind: 'answer', text: 'echo reply', mac: sourceMac, ms: heard.at - waiting.sentAt });
      }
      return;
    }
    const waiting = this.#quotedIn(family, message.subarray(ICMP.headerBytes));
    if (waiting?.sentAt !== undefined) {
      const text = ICMP_WORDS[`${family}/${type}/${code}`] ?? `ICMP type ${type} code ${code}`;
      const expired = type === (family === 4 ? 11 : 3);
      waiting.settle({ kind: 'icmp', text, from: source, mac: sourceMac, expired });
    }
  }

  #echoOf(message: Uint8Array): Waiting | undefined {
    const id = message[4]! * 256 + message[5]!;
    return id === this.#marks.echoId ? this.#echoes.get(message[6]! * 256 + message[7]!) : undefined;
  }

  /** Whose packet an ICMP error is about. @param quoted from its IP header on */
  #quotedIn(family: 4 | 6, quoted: Uint8Array): Waiting | undefined {
    const fields = family === 4 ? IPV4 : IPV6;
    const start = family === 4 ? (quoted[0]! & 0xf) * 4 : fields.bytes;
    const transport = quoted.subarray(start);
    if (transport.length < ICMP.headerBytes) {
      return undefined;
    }
    const protocol = quoted[family === 4 ? IPV4.protocol : IPV6.nextHeader];
    return protocol === PROTOCOL_NUMBERS.tcp
      ? this.#segments.get(wordAt(transport, TCP.sequence)!)
      : protocol === (family === 4 ? ICMP.ipv4 : ICMP.ipv6)
        ? this.#echoOf(transport)
        : undefined;
  }
}

function expectIn(waiting: Map<number, Waiting>, key: number, settle: Waiting['settle']): (at: number) => void {
  const entry: Waiting = { settle, sentAt: undefined };
  waiting.set(key, entry);
  return (at) => {
    entry.sentAt ??= at;
  };
}

/** Undefined: the frame ends before. */
function wordAt(bytes: Uint8Array, at: number): number | undefined {
  return at + 4 > bytes.length ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

function keep(frames: HeardFrame[], frame: HeardFrame): void {
  if (frames.length < MOST_FRAMES) {
    frames.push(frame);
  }
}
