/** What the XDP program must do with a frame, said a second time in TypeScript: the reference that tests hold it to. */

import { ipBytes, macBytes, macFromBytes, PROTOCOL_NUMBERS, type Interface, type Protocol } from '../model/index.js';
import { hashFlow, slotOf } from '../schedule/flow-hash.js';
import type { CompiledService, Image, Route } from './compile.js';
import type { VerdictName } from './counters.js';
import { feature } from './layout.generated.js';

export interface Decision {
  readonly verdict: VerdictName;
  /** The service it was matched to. */
  readonly service?: CompiledService;
  /** The destination it was scheduled onto: index into the service's destinations. */
  readonly destination?: number;
  /** The frame as it leaves, or goes up. */
  readonly frame: Uint8Array;
  /** IP length, as counted, when the packet was sent or delivered. */
  readonly bytes?: number;
  readonly opensFlow?: boolean;
}

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100, service: 0x88a8 } as const;
const PRIORITY_BITS = 0xf000;
/** Where the addresses stand in an IP header without options, and how long both are (RFC 791, RFC 8200). */
const IP_HEADER = {
  4: { bytes: 20, source: 12, destination: 16, addressBytes: 4 },
  6: { bytes: 40, source: 8, destination: 24, addressBytes: 16 },
} as const;
/** Extension headers (RFC 8200). */
const NEXT = { hopByHop: 0, routing: 43, fragment: 44, destinationOptions: 60 } as const;
const MAX_EXTENSION_HEADERS = 6;
const ICMP = 1;
const ICMPV6 = 58;
const ICMP_BYTES = 8;
const ICMP_ERRORS = [3, 4, 11, 12];
const ICMPV6_ERRORS = [1, 2, 3, 4];
const TCP_SYN = 0x02;
const TCP_ACK = 0x10;

interface Ports {
  readonly source: number;
  readonly destination: number;
}

/** The outer IP header: where it is and what it says. */
interface Header {
  readonly family: 4 | 6;
  readonly offset: number;
  readonly tags: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly bytes: number;
}

/** What follows an IP header and its options or extension headers. */
interface Payload {
  readonly offset: number;
  readonly protocol: number;
  readonly fragment?: 'first' | 'later';
  /** What tells fragments of one packet from another's. */
  readonly id: string;
}

/** Which flow a packet is of. */
interface Flow {
  readonly protocol: Protocol;
  readonly client: Uint8Array;
  readonly ports: Ports;
  readonly opens: boolean;
}

/**
 * Finds a frame's services quickly; make one for an image and ask it often. It remembers first fragments, without a limit
 * in number or time, as the program does within its limits.
 */
export class Oracle {
  readonly #image: Image;
  readonly #services = new Map<string, CompiledService>();
  /** Their spelling by their bytes. */
  readonly #vips = new Map<string, string>();
  readonly #directors: ReadonlySet<string>;
  readonly #fragments: Map<string, Pick<Flow, 'protocol' | 'ports'>>;

  /** @param before whose fragments to go on with, after a change of the image */
  constructor(image: Image, before?: Oracle) {
    this.#image = image;
    this.#fragments = before === undefined ? new Map<string, Flow>() : before.#fragments;
    this.#directors = new Set(image.directors);
    for (const compiled of image.services) {
      const { address, port, protocol } = compiled.service;
      this.#services.set(`${protocol} ${address} ${port}`, compiled);
      this.#vips.set(bytesKey(ipBytes(address)), address);
    }
  }

  /** @param ingress index of the interface that the frame came by; by default the first */
  decide(frame: Uint8Array, ingress = this.#image.interfaces[0]?.ifindex): Decision {
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    const header = this.#parseHeader(view, frame);
    const vip = header && this.#vips.get(bytesKey(header.destination));
    if (header === undefined || vip === undefined) {
      return { verdict: 'not-ours', frame };
    }
    const payload = walk(view, header.family, header.offset);
    const flow = typeof payload === 'string' ? payload : this.#flowOf(view, frame, header, payload);
    if (typeof flow === 'string') {
      return { verdict: flow, frame };
    }
    const service = this.#serviceFor(flow.protocol, vip, flow.ports.destination);
    if (service === undefined) {
      return { verdict: 'no-service', frame };
    }
    if (typeof payload === 'object' && payload.fragment === 'first') {
      this.#fragments.set(fragmentKey(header, payload), flow);
    }
    return this.#schedule(frame, header, flow, service, ingress);
  }

  #uses(name: keyof typeof feature): boolean {
    return (this.#image.features & feature[name]) !== 0;
  }

  #serviceFor(protocol: Protocol, address: string, port: number): CompiledService | undefined {
    return this.#services.get(`${protocol} ${address} ${port}`) ?? this.#services.get(`${protocol} ${address} 0`);
  }

  #parseHeader(view: DataView, frame: Uint8Array): Header | undefined {
    if (frame.length < ETHERNET_BYTES) {
      return undefined;
    }
    let type = view.getUint16(12);
    let tags = 0;
    while (this.#uses('vlan') && tags < 2 && (type === ETHERTYPE.vlan || type === ETHERTYPE.service)) {
      const at = ETHERNET_BYTES + tags * TAG_BYTES;
      if (frame.length < at + TAG_BYTES) {
        return undefined;
      }
      tags += 1;
      type = view.getUint16(at + 2);
    }
    const offset = ETHERNET_BYTES + tags * TAG_BYTES;
    const family = type === ETHERTYPE.ipv4 ? 4 : type === ETHERTYPE.ipv6 ? 6 : undefined;
    if (family === undefined || !this.#uses(`ipv${family}`) || frame.length < offset + IP_HEADER[family].bytes) {
      return undefined;
    }
    // IPv4 tells the whole packet's length, IPv6 what follows its header.
    const bytes = family === 4 ? view.getUint16(offset + 2) : IP_HEADER[6].bytes + view.getUint16(offset + 4);
    return { family, offset, tags, bytes, ...addressesAt(frame, family, offset) };
  }

  /** The flow, or why there is none. */
  #flowOf(view: DataView, frame: Uint8Array, header: Header, payload: Payload): Flow | VerdictName {
    const { protocol: number, offset, fragment } = payload;
    if (fragment !== undefined && !this.#uses('fragments')) {
      return 'fragment';
    }
    if (fragment === 'later') {
      const first = this.#fragments.get(fragmentKey(header, payload));
      return first === undefined ? 'fragment' : { ...first, client: header.source, opens: false };
    }
    if (number === (header.family === 4 ? ICMP : ICMPV6)) {
      const quoted = fragment === undefined ? quotedFlow(view, frame, header, offset) : undefined;
      return quoted ?? 'icmp';
    }
    const protocol = protocolOf(number);
    if (protocol === undefined) {
      return 'other-protocol';
    }
    if (frame.length < offset + (protocol === 'tcp' ? 20 : 8)) {
      return 'truncated';
    }
    const opens = protocol === 'tcp' && (view.getUint8(offset + 13) & (TCP_SYN | TCP_ACK)) === TCP_SYN;
    return { protocol, client: header.source, ports: portsAt(view, offset), opens };
  }

  #schedule(
    frame: Uint8Array,
    header: Header,
    flow: Flow,
    service: CompiledService,
    ingress: number | undefined,
  ): Decision {
    const refuse = (verdict: VerdictName): Decision => ({ verdict, service, frame });
    const { ring, routes, service: asked } = service;
    const destination = ring?.[slotOf(hashFlow(flow.client, flow.ports.source), ring.length)];
    const route = destination === undefined ? undefined : routes[destination]!;
    if (route === undefined || route.action === 'none') {
      return refuse(asked.noDestination === 'drop' ? 'dropped' : 'no-destination');
    }
    const arrival = this.#image.interfaces.find(({ ifindex }) => ifindex === ingress);
    const ownMac = this.#uses('nics') ? arrival?.mac : route.sourceMac;
    if (macFromBytes(frame.subarray(0, 6)) !== ownMac) {
      return refuse('other-host');
    }
    if (this.#uses('directors') && this.#directors.has(macFromBytes(frame.subarray(6, 12)))) {
      return refuse('from-director');
    }
    const counted = { service, destination: destination!, bytes: header.bytes, opensFlow: flow.opens };
    if (route.action === 'local') {
      return { verdict: 'local', frame, ...counted };
    }
    const egress = this.#image.interfaces.find(({ ifindex }) => ifindex === route.ifindex)!;
    if (this.#isTooLong(header.bytes, egress)) {
      return refuse('too-long');
    }
    const decrements = asked.ttl === 'decrement';
    if (decrements && frame[header.offset + (header.family === 4 ? 8 : 7)]! <= 1) {
      return refuse('ttl');
    }
    const redirects = this.#uses('nics') && egress.group !== arrival!.group;
    return {
      verdict: redirects ? 'redirected' : 'forwarded',
      frame: rewrite(frame, header, route, this.#uses('vlan'), decrements),
      ...counted,
    };
  }

  #isTooLong(bytes: number, egress: Interface): boolean {
    const shortest = Math.min(...this.#image.interfaces.map(({ mtu }) => mtu));
    const known = this.#uses('vlan') || this.#uses('nics');
    return bytes > (known ? Math.max(shortest, Math.min(egress.mtu, 0xffff)) : shortest);
  }
}

/** Bytes as a string that is quickly made and compared. */
function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function protocolOf(number: number): Protocol | undefined {
  return (['tcp', 'udp'] as const).find((name) => PROTOCOL_NUMBERS[name] === number);
}

/** The addresses of the IP header at an offset. */
function addressesAt(frame: Uint8Array, family: 4 | 6, offset: number): Pick<Header, 'source' | 'destination'> {
  const { source, destination, addressBytes } = IP_HEADER[family];
  const at = (start: number): Uint8Array => frame.subarray(offset + start, offset + start + addressBytes);
  return { source: at(source), destination: at(destination) };
}

function portsAt(view: DataView, offset: number): Ports {
  return { source: view.getUint16(offset), destination: view.getUint16(offset + 2) };
}

function fragmentKey({ source, destination }: Header, { id }: Payload): string {
  return `${bytesKey(source)} ${bytesKey(destination)} ${id}`;
}

/** Over options or extension headers, or why not. */
function walk(view: DataView, family: 4 | 6, offset: number): Payload | VerdictName {
  return family === 4 ? walkIpv4(view, offset) : walkIpv6(view, offset);
}

function walkIpv4(view: DataView, offset: number): Payload | VerdictName {
  const [version, words] = [view.getUint8(offset) >> 4, view.getUint8(offset) & 0xf];
  if (version !== 4 || words < 5) {
    return 'malformed';
  }
  const bits = view.getUint16(offset + 6);
  const protocol = view.getUint8(offset + 9);
  const fragment = (bits & 0x1fff) !== 0 ? 'later' : (bits & 0x2000) !== 0 ? 'first' : undefined;
  const id = `${protocol} ${view.getUint16(offset + 4)}`;
  return { offset: offset + words * 4, protocol, id, ...(fragment && { fragment }) };
}

function walkIpv6(view: DataView, start: number): Payload | VerdictName {
  if (view.getUint8(start) >> 4 !== 6) {
    return 'malformed';
  }
  let next = view.getUint8(start + 6);
  let offset = start + IP_HEADER[6].bytes;
  let fragment: 'first' | undefined;
  let id = '';
  for (let i = 0; i <= MAX_EXTENSION_HEADERS; i += 1) {
    if (!(Object.values(NEXT) as number[]).includes(next)) {
      return { offset, protocol: next, id, ...(fragment && { fragment }) };
    }
    if (view.byteLength < offset + 8) {
      return 'truncated';
    }
    if (next === NEXT.fragment) {
      const bits = view.getUint16(offset + 2);
      id = String(view.getUint32(offset + 4));
      fragment = bits === 1 ? 'first' : undefined;
      if ((bits & 0xfff8) !== 0) {
        return { offset: offset + 8, protocol: next, id, fragment: 'later' };
      }
      next = view.getUint8(offset);
      offset += 8;
    } else {
      if (next === NEXT.routing && view.getUint8(offset + 3) !== 0) {
        return 'extension';
      }
      next = view.getUint8(offset);
      offset += 8 + view.getUint8(offset + 1) * 8;
    }
  }
  return 'extension';
}

/** The flow that an ICMP error is about. */
function quotedFlow(
  view: DataView,
  frame: Uint8Array,
  { family, destination }: Header,
  icmp: number,
): Flow | undefined {
  const inner = icmp + ICMP_BYTES;
  if (frame.length < inner + IP_HEADER[family].bytes) {
    return undefined;
  }
  const quoted = addressesAt(frame, family, inner);
  const isError = (family === 4 ? ICMP_ERRORS : ICMPV6_ERRORS).includes(view.getUint8(icmp));
  const payload = isError && Buffer.compare(quoted.source, destination) === 0 ? walk(view, family, inner) : undefined;
  if (typeof payload !== 'object' || payload.fragment === 'later' || frame.length < payload.offset + 8) {
    return undefined;
  }
  const protocol = protocolOf(payload.protocol);
  const { source: service, destination: client } = portsAt(view, payload.offset);
  return (
    protocol && {
      protocol,
      client: quoted.destination,
      ports: { source: client, destination: service },
      opens: false,
    }
  );
}

/** The frame with other MACs, other tags where `retags`, and one less TTL where `decrements`. */
function rewrite(
  frame: Uint8Array,
  { family, offset, tags }: Header,
  { mac, sourceMac, vlan }: Route & { action: 'forward' },
  retags: boolean,
  decrements: boolean,
): Uint8Array {
  const before = new DataView(frame.buffer, frame.byteOffset);
  const priority = tags > 0 ? before.getUint16(ETHERNET_BYTES) & PRIORITY_BITS : 0;
  const wanted = [
    ...(vlan?.outer === undefined ? [] : [[ETHERTYPE.service, priority | vlan.outer]]),
    ...(vlan === undefined || vlan.id === 0 ? [] : [[ETHERTYPE.vlan, priority | vlan.id]]),
  ].flat();
  const words = retags ? [...wanted, family === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6] : [before.getUint16(12)];
  const packet = frame.subarray(retags ? offset : ETHERNET_BYTES);
  const start = 12 + words.length * 2;
  const sent = new Uint8Array(start + packet.length);
  sent.set(macBytes(mac), 0);
  sent.set(macBytes(sourceMac), 6);
  sent.set(
    words.flatMap((word) => [word >> 8, word & 0xff]),
    12,
  );
  sent.set(packet, start);
  if (decrements) {
    decrementTtl(sent.subarray(start), family);
  }
  return sent;
}

/** As a router does; the checksum by RFC 1624, as the kernel computes it (ip_decrease_ttl). */
function decrementTtl(packet: Uint8Array, family: 4 | 6): void {
  if (family === 6) {
    packet[7]! -= 1;
    return;
  }
  const view = new DataView(packet.buffer, packet.byteOffset);
  const sum = view.getUint16(10, true) + 1;
  view.setUint16(10, sum + (sum >= 0xffff ? 1 : 0), true);
  packet[8]! -= 1;
}
