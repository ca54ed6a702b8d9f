/** The wire of `beeline bench forward`: cables, a client that sends into them, real servers that count. */

import { fileURLToPath } from 'node:url';

import { attach } from '../../dataplane/index.js';
import { run } from '../../lab/index.js';
import { BpfObject, LIVE_FRAMES, type Mapping, type XdpLink } from '../../libbpf/index.js';
import { BeelineError, type Interface, type IpAddress, type MacAddress, macBytes, ip, mac } from '../../model/index.js';
import { buildFrame, ETHERNET, IPV4 } from '../../packet/index.js';

const WIRE_OBJECT = fileURLToPath(new URL('../../../bpf/wire.bpf.o', import.meta.url));

/** Station n of bpf/wire.bpf.c: 0 is the director, real servers follow. */
export function stationMac(station: number): MacAddress {
  return mac(`02:62:65:65:00:0${station}`);
}

/** The client's MAC: no packet is sent to this station. */
const CLIENT_MAC = stationMac(7);
/** The first client's address. Other clients have the addresses after it. */
const FIRST_CLIENT = ip('10.1.0.0');
/** PORTS_PER_CLIENT × 64 addresses: bpf/wire.bpf.c. */
export const MOST_FLOWS = 1 << 20;

/** struct traffic and struct sink in bpf/wire.bpf.c. */
const TRAFFIC = { bytes: 28, flowMask: 16, checksum: 20, ttl: 24 } as const;
const SINK = { bytes: 104, packets: 0, firstNs: 1, firstPackets: 2, lastNs: 3, lastPackets: 4, stations: 5 } as const;

const TTL = 64;
/** The rest of 60 bytes after Ethernet, IPv4 and UDP headers. */
const PAYLOAD_BYTES = 18;
/** Frames of a batch of BPF_PROG_RUN: as many as a driver's poll takes at a time (NAPI_POLL_WEIGHT). */
const BATCH = 64;
/** TIMED_EVERY in bpf/wire.bpf.c, and enough of them for two points in time. */
export const FEWEST_PACKETS = 4096;

/** A veth pair between the client and real servers at one end and a director at the other. */
export interface Cable {
  /** The client's and real servers' end. */
  readonly far: Interface;
  /** The director's end. */
  readonly near: Interface;
}

/** The MAC and VIP that frames are sent to. */
export interface Target {
  readonly mac: MacAddress;
  readonly vip: IpAddress;
}

/** The packets that arrived. */
export interface Arrival {
  readonly sent: number;
  readonly received: number;
  /** Packets by station. */
  readonly stations: readonly number[];
  /** The mean time from packet to packet. */
  readonly nsPerPacket: number;
}

/** The cables of this process's network namespace, in which nothing else may run. Packets are sent on its CPU. */
export class Wire implements Disposable {
  readonly #object: BpfObject;
  readonly #traffic: Mapping;
  readonly #sink: Mapping;
  readonly #links: XdpLink[] = [];

  /** @param flows a power of two, at most MOST_FLOWS */
  constructor(flows: number) {
    this.#object = new BpfObject(WIRE_OBJECT);
    this.#object.load();
    this.#traffic = this.#object.section('.data.traffic').mmap('write');
    this.#sink = this.#object.section('.data.sink').mmap('write');
    const view = new DataView(new ArrayBuffer(TRAFFIC.bytes));
    view.setUint32(TRAFFIC.flowMask, flows - 1, true);
    view.setUint32(TRAFFIC.ttl, TTL, true);
    this.#traffic.write(0, new Uint8Array(view.buffer));
  }

  /** Makes a cable whose far end counts packets. `name` has up to eight letters. */
  async cable(name: string): Promise<Cable> {
    const [near, far] = [`${name}-near`, `${name}-far`];
    const macs = [stationMac(0), CLIENT_MAC] as const;
    await run('ip', ['link', 'add', near, 'address', macs[0], 'type', 'veth', 'peer', 'name', far, 'address', macs[1]]);
    for (const each of [near, far]) {
      await run('ip', ['link', 'set', each, 'up']);
    }
    const cable = { near: await interfaceNamed(near), far: await interfaceNamed(far) };
    this.attach('count', cable.far);
    return cable;
  }

  /**
   * Attaches one of the wire's programs to an interface, in native mode.
   *
   * @throws BeelineError `XDP_REFUSED`, `XDP_NATIVE_REFUSED`
   */
  attach(program: 'count' | 'rewrite_macs', target: Interface): void {
    this.#links.push(attach(this.#object.program(program), target, { mode: 'native', replace: false }).link);
  }

  /** Sends packets to a director out of an interface and returns those that arrived where `count` is attached. */
  send(far: Interface, { mac, vip }: Target, packets: number): Arrival {
    const frame = buildFrame({
      destinationMac: mac,
      sourceMac: CLIENT_MAC,
      source: FIRST_CLIENT,
      destination: vip,
      protocol: 'udp',
      sourcePort: 1,
      destinationPort: 80,
      payload: new Uint8Array(PAYLOAD_BYTES),
    });
    this.#traffic.write(0, macBytes(mac));
    this.#traffic.write(6, macBytes(CLIENT_MAC));
    this.#traffic.store32(TRAFFIC.checksum, headerSum(frame));
    this.#sink.zero(0, SINK.bytes);
    this.#object.program('generate').run({
      data: frame,
      origin: { ifindex: far.ifindex },
      repeat: packets,
      flags: LIVE_FRAMES,
      batchSize: BATCH,
    });
    return this.arrival(packets);
  }

  /** Returns the packets that arrived since the last `send` began. */
  arrival(sent: number): Arrival {
    const words = new BigUint64Array(this.#sink.read(0, new Uint8Array(SINK.bytes)).buffer);
    const timed = Number(words[SINK.lastPackets]! - words[SINK.firstPackets]!);
    return {
      sent,
      received: Number(words[SINK.packets]),
      stations: Array.from(words.subarray(SINK.stations), Number),
      nsPerPacket: timed === 0 ? Infinity : Number(words[SINK.lastNs]! - words[SINK.firstNs]!) / timed,
    };
  }

  close(): void {
    for (const link of this.#links) {
      link.close();
    }
    this.#traffic.close();
    this.#sink.close();
    this.#object.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Returns an interface of this namespace. @throws BeelineError `INTERFACE_MISSING` */
export async function interfaceNamed(name: string): Promise<Interface> {
  const links = JSON.parse(await run('ip', ['-j', 'link', 'show'])) as LinkJson[];
  const link = links.find(({ ifname }) => ifname === name);
  if (link === undefined) {
    throw new BeelineError('INTERFACE_MISSING', `there is no network interface ${name}`, { hint: 'See "ip link".' });
  }
  return { name, ifindex: link.ifindex, mac: mac(link.address), up: true, mtu: link.mtu, group: link.ifindex };
}

interface LinkJson {
  readonly ifname: string;
  readonly ifindex: number;
  readonly address: string;
  readonly mtu: number;
}

/**
 * Returns the sum of an IPv4 header's words (RFC 1071) without the checksum and the last word of the source address, which
 * is different in each packet.
 */
function headerSum(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset + ETHERNET.bytes, IPV4.bytes);
  let sum = 0;
  for (let at = 0; at < IPV4.bytes; at += 2) {
    sum += at === IPV4.checksum || at === IPV4.source + 2 ? 0 : view.getUint16(at);
  }
  return sum;
}
