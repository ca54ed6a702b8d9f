/** Random frames for a scene's director: of every shape that it knows, some of them damaged. */

import {
  familyOf,
  ip,
  type IpAddress,
  mac,
  type MacAddress,
  parseIp,
  parseIpv6,
  type Service,
} from '../../src/model/index.js';
import {
  buildFrame,
  ETHER_TYPE,
  ETHERNET,
  etherTypeOf,
  fragmentHeader,
  icmpError,
  IPV4,
  ipv4Fragment,
  IPV6,
  patched,
  replyBeginning,
  tagged,
  TCP,
  withExtensions,
  withLengthField,
  withOptions,
  withTtl,
} from '../../src/packet/index.js';
import type { Random } from './random.js';
import { MACS_ABOVE, OTHER_DIRECTORS, OWN_ADDRESSES, type Scene, VLAN_IDS } from './scenes.js';

const CLIENT_MAC = mac('00:50:00:00:03:00');
/** MAX_FRAME in test/bpf/fuzz.bpf.c, minus room for VLAN tags. */
const MAX_FRAME = 500;

const EXTENSIONS = [
  { number: 0, rest: [0, 1, 4, 0, 0, 0, 0] },
  { number: 60, rest: [0, 1, 4, 0, 0, 0, 0] },
  { number: 60, rest: [1, 1, 12, ...new Array<number>(12).fill(0)] },
  { number: 43, rest: [2, 4, 0, ...new Array<number>(20).fill(0)] },
  // AH, of 24 and of 16 bytes.
  { number: 51, rest: [4, ...new Array<number>(22).fill(0)] },
  { number: 51, rest: [2, ...new Array<number>(14).fill(0)] },
] as const;

/** Lengths around the interfaces' MTUs. Only the header has them, not the frame. */
const LENGTHS = [0, 100, 899, 900, 901, 1460, 1461, 1500, 1501, 9000, 9001, 65_535] as const;

/** TCP flags, some more often: SYN, ACK, SYN and ACK, PSH and ACK, FIN and ACK, RST, none. */
const TCP_FLAGS = [0x02, 0x02, 0x10, 0x10, 0x12, 0x18, 0x11, 0x04, 0x00] as const;

/** The first bytes of QUIC packets: Initial of version 1 and 2, Handshake, short header. */
const QUIC_BEGINNINGS = [
  [0xc3, 0, 0, 0, 1, 8],
  [0xd0, 0x6b, 0x33, 0x43, 0xcf, 8],
  [0xe0, 0, 0, 0, 1, 8],
  [0x40, 1, 2, 3, 4, 5],
].map((bytes) => Uint8Array.from(bytes));

/** Clients that cannot be, and some that can but are near to those. */
const ODD_CLIENTS = [
  ...['0.0.0.0', '0.255.0.1', '1.0.0.0', '126.255.255.255', '127.0.0.1', '128.0.0.1', '223.255.255.255'],
  ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.254', '255.255.255.255', '255.1.1.191'],
  ...['::', '::1', '::2', '::fffe:1.2.3.4', '::ffff:1.2.3.4', '64:ff9b::1.2.3.4', 'fe80::2', 'fe00::1', 'ff02::1'],
].map((each) => parseIpv6(each) ?? ip(each));

/** Bytes that have a meaning as protocol number, type or flags. */
const TELLING_BYTES = [0, 1, 2, 6, 8, 17, 43, 44, 45, 50, 51, 58, 60, 69, 255] as const;

/**
 * Makes random frames for a scene. Only few packets of a batch are fragmented, so that the program's bounded table holds all
 * fragments, as the oracle does.
 */
export class Packets {
  readonly #random: Random;
  readonly #scene: Scene;
  readonly #realServers: readonly MacAddress[];
  #fragmented: readonly Service[] = [];
  #made: Uint8Array[] = [];

  constructor(random: Random, scene: Scene) {
    this.#random = random;
    this.#scene = scene;
    this.#realServers = [...scene.world.resolutions.values()].flatMap((each) =>
      each.state === 'resolved' ? each.mac : [],
    );
    this.beginBatch();
  }

  /** Begins a batch, in which packets of other services are fragmented. */
  beginBatch(): void {
    const { services } = this.#scene.model;
    this.#made = [];
    this.#fragmented = [this.#random.pick(services), this.#random.pick(services)];
  }

  /** Returns a new frame, or one of this batch with a few bytes changed. */
  next(): Uint8Array {
    const random = this.#random;
    if (this.#made.length > 0 && !random.oneIn(4)) {
      const original = random.pick(this.#made);
      return random.oneIn(2) ? this.#mutated(original) : this.#another(original);
    }
    let frame = random.oneIn(8) ? this.#icmp() : this.#packet();
    while (random.oneIn(4)) {
      frame = tagged(frame, random.pick([ETHER_TYPE.vlan, ETHER_TYPE.serviceVlan] as const), this.#tag());
    }
    frame = frame.length > MAX_FRAME ? frame.slice(0, MAX_FRAME) : frame;
    this.#made.push(frame);
    return frame;
  }

  /** Returns another packet of the same flow, with other flags where a plain frame has TCP's. */
  #another(original: Uint8Array): Uint8Array {
    const header = etherTypeOf(original) === ETHER_TYPE.ipv6 ? IPV6.bytes : IPV4.bytes;
    const offset = ETHERNET.bytes + header + TCP.flags;
    return offset < original.length ? patched(original, [offset, this.#random.pick(TCP_FLAGS)]) : original;
  }

  /** A VLAN's id, and now and then a priority. */
  #tag(): number {
    const random = this.#random;
    const id = random.oneIn(8) ? random.below(0x1000) : random.pick(VLAN_IDS);
    return id | (random.oneIn(2) ? random.below(16) << 12 : 0);
  }

  #mutated(original: Uint8Array): Uint8Array {
    const random = this.#random;
    if (random.oneIn(8)) {
      return original.slice(0, ETHERNET.bytes + random.below(Math.max(1, original.length - ETHERNET.bytes)));
    }
    const frame = original.slice();
    for (let i = random.below(4); i > 0; i -= 1) {
      frame[random.below(Math.min(frame.length, 100))] = random.oneIn(2)
        ? random.pick(TELLING_BYTES)
        : random.below(256);
    }
    return frame;
  }

  #macs(): { destinationMac: MacAddress; sourceMac: MacAddress } {
    const random = this.#random;
    const own = this.#scene.world.interfaces[0]!.mac;
    return {
      destinationMac: random.oneIn(12)
        ? random.pick([
            ...this.#scene.world.interfaces.map((each) => each.mac),
            ...MACS_ABOVE,
            mac('ff:ff:ff:ff:ff:ff'),
          ])
        : own,
      sourceMac: random.oneIn(10) ? random.pick([...OTHER_DIRECTORS, own, ...this.#realServers]) : CLIENT_MAC,
    };
  }

  #packet(): Uint8Array {
    const random = this.#random;
    const fragment = random.oneIn(5);
    const service = random.pick(fragment ? this.#fragmented : this.#scene.model.services);
    const ipv4 = familyOf(service.address) === 4;
    const protocol = random.oneIn(10) ? random.pick(['tcp', 'udp'] as const) : service.protocol;
    const plain = buildFrame({
      ...this.#macs(),
      source: this.#client(service, fragment ? 2 : 5000),
      destination: random.oneIn(20) ? (ipv4 ? ip('10.7.0.200') : ip('fd07::200')) : service.address,
      protocol,
      sourcePort: random.oneIn(10) ? 500 : random.below(0x10000),
      destinationPort: random.oneIn(6) || service.port === 0 ? random.pick([0, 22, 53, 80, 443, 500]) : service.port,
      flags: random.oneIn(6) ? random.below(256) : random.pick(TCP_FLAGS),
      payload: random.oneIn(6) ? random.pick(QUIC_BEGINNINGS) : random.bytes(random.pick([0, 0, 0, 5, 60])),
    });
    const long = random.oneIn(15) ? withLengthField(plain, random.pick(LENGTHS)) : plain;
    const aged = random.oneIn(6) ? withTtl(long, random.pick([0, 1, 2, 255])) : long;
    return ipv4 ? this.#ipv4(aged, fragment) : this.#ipv6(aged, fragment);
  }

  #ipv4(frame: Uint8Array, fragment: boolean): Uint8Array {
    const random = this.#random;
    const ipsec = random.oneIn(25) ? patched(frame, [ETHERNET.bytes + IPV4.protocol, random.pick([50, 51])]) : frame;
    return this.#ipv4Part(ipsec, fragment);
  }

  #ipv4Part(frame: Uint8Array, fragment: boolean): Uint8Array {
    const random = this.#random;
    const options = random.oneIn(5) ? withOptions(frame, new Array<number>(4 * (1 + random.below(10))).fill(1)) : frame;
    if (!fragment) {
      return options;
    }
    const cut = ipv4Fragment(options, random.pick([0, 0, 8, 1480]), random.oneIn(2), random.below(6));
    // A first fragment may end within the TCP header.
    const header = ETHERNET.bytes + 4 * (cut[ETHERNET.bytes]! & 0x0f);
    return random.oneIn(3) ? cut.slice(0, header + 6 + random.below(16)) : cut;
  }

  #ipv6(plain: Uint8Array, fragment: boolean): Uint8Array {
    const random = this.#random;
    const frame = random.oneIn(25) ? patched(plain, [ETHERNET.bytes + IPV6.nextHeader, 50]) : plain;
    const headers: { number: number; rest: readonly number[] }[] = random.oneIn(4)
      ? Array.from({ length: random.below(9) }, () => random.pick(EXTENSIONS))
      : [];
    if (fragment) {
      const header = fragmentHeader(random.pick([0, 0, 8, 1448]), random.oneIn(2), random.below(6));
      headers.splice(random.below(headers.length + 1), 0, header);
    }
    return headers.length === 0 ? frame : withExtensions(frame, headers);
  }

  #icmp(): Uint8Array {
    const random = this.#random;
    const service = random.pick(this.#scene.model.services);
    const vip = service.address;
    const ipv4 = familyOf(vip) === 4;
    const reply = replyBeginning(
      random.oneIn(10) ? (ipv4 ? ip('10.7.0.200') : ip('fd07::200')) : vip,
      service.port === 0 ? 80 : service.port,
      this.#client(service, 5000),
      random.below(0x10000),
      random.oneIn(4) ? random.pick([6, 17, 50, 51] as const) : service.protocol === 'tcp' ? 6 : 17,
      random.pick([8, 8, 8, 20, 4]),
    );
    const isPart = random.oneIn(4);
    const error = icmpError({
      ...this.#macs(),
      router: !isPart && random.oneIn(10) ? this.#client(service, 5000) : ipv4 ? ip('10.9.9.9') : ip('fd09::9'),
      vip,
      type: random.pick(ipv4 ? [3, 3, 4, 11, 12, 8, 0] : [1, 2, 2, 3, 4, 128, 135]),
      quoted: random.oneIn(8) ? reply.subarray(0, random.below(reply.length)) : reply,
    });
    return isPart ? this.#part(error, ipv4) : error;
  }

  /** Makes a fragment of an ICMP message, all of whose packets are of one router. */
  #part(frame: Uint8Array, ipv4: boolean): Uint8Array {
    const [offset, more, id] = [this.#random.pick([0, 0, 480]), this.#random.oneIn(2), this.#random.below(3)];
    return ipv4 ? ipv4Fragment(frame, offset, more, id) : withExtensions(frame, [fragmentHeader(offset, more, id)]);
  }

  #client({ address }: Service, many: number): IpAddress {
    if (this.#random.oneIn(20)) {
      const odd = [...ODD_CLIENTS, ...OWN_ADDRESSES, ...this.#scene.model.services.map((each) => each.address)];
      return this.#random.pick(odd.filter((each) => familyOf(each) === familyOf(address)));
    }
    const number = this.#random.below(many);
    return familyOf(address) === 4
      ? ip(`172.16.${number >> 8}.${number & 0xff}`)
      : parseIp(`fd77::${number.toString(16)}`)!;
  }
}

/** Formats a frame for messages and fixtures. */
export function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString('hex');
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
