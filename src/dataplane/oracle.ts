/** What the XDP program must do with a frame, said a second time in TypeScript: the reference that tests hold it to. */

import { ipFromBytes, macBytes, PROTOCOL_NUMBERS, type Protocol } from '../model/index.js';
import { hashFlow, slotOf } from '../schedule/flow-hash.js';
import type { CompiledService, Image } from './compile.js';
import type { VerdictName } from './counters.js';

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
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const IPV6_FRAGMENT = 44;
const TCP_SYN = 0x02;
const TCP_ACK = 0x10;

/** What of a packet matters, or why it cannot be scheduled. */
interface Parsed {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly bytes: number;
  readonly refused?: VerdictName;
  readonly protocol?: Protocol;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly opensFlow?: boolean;
}

/** Finds a frame's services quickly; make one for an image and ask it often. */
export class Oracle {
  readonly #services = new Map<string, CompiledService>();
  readonly #vips = new Set<string>();

  constructor(image: Image) {
    for (const compiled of image) {
      const { address, port, protocol } = compiled.service;
      this.#services.set(`${protocol} ${address} ${port}`, compiled);
      this.#vips.add(address);
    }
  }

  decide(frame: Uint8Array): Decision {
    const parsed = parse(frame);
    const address = parsed && ipFromBytes(parsed.destination);
    if (parsed === undefined || address === undefined || !this.#vips.has(address)) {
      return { verdict: 'not-ours', frame };
    }
    if (parsed.refused !== undefined) {
      return { verdict: parsed.refused, frame };
    }
    const service =
      this.#services.get(`${parsed.protocol} ${address} ${parsed.destinationPort}`) ??
      this.#services.get(`${parsed.protocol} ${address} 0`);
    return service === undefined ? { verdict: 'no-service', frame } : schedule(frame, parsed, service);
  }
}

function schedule(frame: Uint8Array, parsed: Parsed, service: CompiledService): Decision {
  if (service.ring === undefined) {
    return { verdict: 'no-destination', service, frame };
  }
  const slot = slotOf(hashFlow(parsed.source, parsed.sourcePort!), service.ring.length);
  const destination = service.ring[slot]!;
  const route = service.routes[destination]!;
  if (route.action === 'none') {
    return { verdict: 'no-destination', service, frame };
  }
  if (!macBytes(route.sourceMac).every((byte, i) => frame[i] === byte)) {
    return { verdict: 'other-host', service, frame };
  }
  const counted = { service, destination, bytes: parsed.bytes, opensFlow: parsed.opensFlow === true };
  if (route.action === 'local') {
    return { verdict: 'local', frame, ...counted };
  }
  const sent = Uint8Array.from(frame);
  sent.set(macBytes(route.mac), 0);
  sent.set(macBytes(route.sourceMac), 6);
  return { verdict: 'forwarded', frame: sent, ...counted };
}

function parse(frame: Uint8Array): Parsed | undefined {
  if (frame.length < ETHERNET_BYTES) {
    return undefined;
  }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  switch (view.getUint16(12)) {
    case ETHERTYPE_IPV4:
      return parseIpv4(view, frame);
    case ETHERTYPE_IPV6:
      return parseIpv6(view, frame);
    default:
      return undefined;
  }
}

function parseIpv4(view: DataView, frame: Uint8Array): Parsed | undefined {
  const ip = ETHERNET_BYTES;
  if (frame.length < ip + 20) {
    return undefined;
  }
  const found: Parsed = {
    source: frame.subarray(ip + 12, ip + 16),
    destination: frame.subarray(ip + 16, ip + 20),
    bytes: view.getUint16(ip + 2),
  };
  if (frame[ip] !== 0x45) {
    const options = frame[ip]! >> 4 === 4 && (frame[ip]! & 0xf) > 5;
    return { ...found, refused: options ? 'ip-options' : 'malformed' };
  }
  if ((view.getUint16(ip + 6) & 0x3fff) !== 0) {
    return { ...found, refused: 'fragment' };
  }
  return parseTransport(view, ip + 20, frame[ip + 9]!, found);
}

function parseIpv6(view: DataView, frame: Uint8Array): Parsed | undefined {
  const ip = ETHERNET_BYTES;
  if (frame.length < ip + 40) {
    return undefined;
  }
  const found: Parsed = {
    source: frame.subarray(ip + 8, ip + 24),
    destination: frame.subarray(ip + 24, ip + 40),
    bytes: 40 + view.getUint16(ip + 4),
  };
  if (frame[ip]! >> 4 !== 6) {
    return { ...found, refused: 'malformed' };
  }
  if (frame[ip + 6] === IPV6_FRAGMENT) {
    return { ...found, refused: 'fragment' };
  }
  return parseTransport(view, ip + 40, frame[ip + 6]!, found);
}

function parseTransport(view: DataView, at: number, number: number, found: Parsed): Parsed {
  const protocol = (['tcp', 'udp'] as const).find((name) => PROTOCOL_NUMBERS[name] === number);
  if (protocol === undefined) {
    return { ...found, refused: 'other-protocol' };
  }
  if (view.byteLength < at + (protocol === 'tcp' ? 20 : 8)) {
    return { ...found, refused: 'truncated' };
  }
  return {
    ...found,
    protocol,
    sourcePort: view.getUint16(at),
    destinationPort: view.getUint16(at + 2),
    opensFlow: protocol === 'tcp' && (view.getUint8(at + 13) & (TCP_SYN | TCP_ACK)) === TCP_SYN,
  };
}
