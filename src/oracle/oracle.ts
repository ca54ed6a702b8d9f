/** What the XDP program must do with a frame, said a second time in TypeScript: the reference that tests hold it to. */

import {
  type CompiledService,
  flowOwnerName,
  forProtocol,
  type Image,
  persistenceMask,
  type Route,
  SLOT_MARKED,
  SLOT_UNMOVED,
  timeoutSeconds,
} from '../image/index.js';
import { feature, type FlowState, type VerdictName } from '../layout/index.js';
import {
  type Interface,
  type IpAddress,
  ipBytes,
  isHashing,
  type MacAddress,
  macBytes,
  macFromBytes,
  type Protocol,
  PROTOCOL_NUMBERS,
} from '../model/index.js';
import { type Client, hashedSlot, type Load, schedule, type Scheduled, slotOwner } from './schedule.js';
import { classOf, type FlowEvent, type LiveState, nextState, tcpEvent, udpEvent } from './state.js';

export interface Decision {
  readonly verdict: VerdictName;
  /** The service it was matched to. */
  readonly service?: CompiledService;
  /** Under which name that has its number: flowOwnerName(). */
  readonly owner?: string;
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
  /** What the packet says of it. */
  readonly event: FlowEvent;
  /** A TCP SYN without ACK. */
  readonly opens: boolean;
  /** A mark's service has several. */
  readonly vip?: IpAddress;
}

/** A flow, or a template of persistence, that is remembered. */
interface Entry {
  readonly service: string;
  readonly client: Client;
  address: IpAddress;
  state: LiveState;
  /** When its last packet came. */
  seen: number;
}

/** A flow, or a template, that is remembered already. */
export interface RecalledFlow {
  readonly state: FlowState;
  /** '' when nobody of the service has it any more. */
  readonly address: IpAddress;
}

export interface RecalledLoad extends Load {
  readonly persistent: number;
}

/** A first fragment that is remembered already. */
export type RecalledFragment = Pick<Flow, 'protocol' | 'ports'>;

/** What is remembered where an oracle begins. It is asked for what the oracle has not seen itself. */
export interface Recall {
  /** @param owner under which name flows to this VIP have their number: see flowOwnerName() */
  flow(service: CompiledService, owner: string, client: Client, port: number): RecalledFlow | undefined;
  template(service: CompiledService, client: Client): RecalledFlow | undefined;
  cursor(service: CompiledService): { readonly count: bigint; readonly cached: IpAddress | undefined };
  load(service: CompiledService, address: IpAddress): RecalledLoad;
  /** @param id IPv4: protocol and id; IPv6: id */
  fragment(source: Uint8Array, destination: Uint8Array, id: string): RecalledFragment | undefined;
}

/** What an oracle remembers, from packet to packet and from image to image. */
interface Memory {
  /** First fragments. */
  readonly fragments: Map<string, Pick<Flow, 'protocol' | 'ports'>>;
  /** By service, client, and virtual port; templates apart. */
  readonly flows: Map<string, Entry>;
  /** By service. */
  readonly cursors: Map<string, { count: bigint; cached: IpAddress | undefined }>;
  /** Destinations that lblcr has in use, and as which in turn they joined: "service address". */
  readonly members: Map<string, number>;
  /** Those over their threshold. */
  readonly overloaded: Set<string>;
  readonly loads: Map<string, { active: number; inactive: number; persistent: number }>;
  /** How many flows were ever remembered. */
  stored: number;
}

/** What became of a flow's packet: a destination's index, or why there is none. */
interface Followed {
  readonly index?: number;
  readonly verdict?: VerdictName;
  readonly opens: boolean;
}

/**
 * Finds a frame's services quickly; make one for an image and ask it often. It remembers first fragments and flows, without
 * a limit in number or time, as the program does within its limits.
 */
export class Oracle {
  readonly #image: Image;
  readonly #services = new Map<string, CompiledService>();
  /** The services of marks, by what gets a mark. */
  readonly #marked = new Map<string, CompiledService>();
  /** Their spelling by their bytes. */
  readonly #vips = new Map<string, string>();
  readonly #directors: ReadonlySet<string>;
  readonly #memory: Memory;
  /** Of the flow that was scheduled last: whom its slot leads to is at its threshold. */
  #diverted = false;
  readonly #now: () => number;
  readonly #recall: Recall | undefined;

  /**
   * @param before whose fragments and flows to go on with, after a change of the image
   * @param now the time in seconds, where flows are to be over some time
   * @param recall what is remembered already
   */
  constructor(image: Image, before?: Oracle, now: () => number = () => 0, recall?: Recall) {
    this.#image = image;
    this.#recall = recall;
    this.#now = now;
    this.#memory =
      before === undefined
        ? {
            fragments: new Map(),
            flows: new Map(),
            cursors: new Map(),
            members: new Map(),
            overloaded: new Set(),
            loads: new Map(),
            stored: 0,
          }
        : before.#memory;
    this.#directors = new Set(image.directors);
    for (const compiled of image.services) {
      const { address, port, protocol, mark } = compiled.service;
      if (mark === undefined) {
        this.#services.set(`${protocol} ${address} ${port}`, compiled);
        this.#vips.set(bytesKey(ipBytes(address)), address);
      }
    }
    for (const { service, address, protocol, ports } of image.markEntries) {
      const compiled = image.services.find(({ name }) => name === service)!;
      ports.forEach((port) => this.#marked.set(`${protocol} ${address} ${port}`, compiled));
      this.#vips.set(bytesKey(ipBytes(address)), address);
    }
  }

  /** How many flows were remembered since the first image. */
  get stored(): number {
    return this.#memory.stored;
  }

  /** Forgets the flows of services whose timeouts have passed, as a sweep does. */
  expire(): void {
    for (const [key, { service: name, state, seen, address }] of this.#memory.flows) {
      const compiled = this.#image.services.find((each) => each.name === name);
      if (
        compiled === undefined ||
        this.#now() - seen > timeoutSeconds(compiled.service, this.#image.timeouts, state)
      ) {
        this.#memory.flows.delete(key);
        if (compiled !== undefined) {
          this.#count(compiled, address, state, -1);
        }
      }
    }
  }

  /** By slot of a service under a hashing scheduler, whether a flow is remembered that falls on it. */
  occupied(service: CompiledService): Uint8Array {
    const occupied = new Uint8Array(service.ring?.length ?? 0);
    for (const { service: name, client } of this.#memory.flows.values()) {
      if (name === service.name) {
        occupied[hashedSlot(scheduledOf(service), client)] = 1;
      }
    }
    return occupied;
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
      this.#memory.fragments.set(fragmentKey(header, payload), flow);
    }
    const owner = flowOwnerName(service, flow.protocol, vip);
    return {
      ...this.#schedule(frame, header, { ...flow, vip }, forProtocol(service, flow.protocol), ingress),
      owner,
    };
  }

  #uses(name: keyof typeof feature): boolean {
    return (this.#image.features & feature[name]) !== 0;
  }

  #serviceFor(protocol: Protocol, address: string, port: number): CompiledService | undefined {
    const [exact, wildcard] = [`${protocol} ${address} ${port}`, `${protocol} ${address} 0`];
    return (
      this.#marked.get(exact) ?? this.#marked.get(wildcard) ?? this.#services.get(exact) ?? this.#services.get(wildcard)
    );
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
      const first =
        this.#memory.fragments.get(fragmentKey(header, payload)) ??
        this.#recall?.fragment(header.source, header.destination, payload.id);
      return first === undefined ? 'fragment' : { ...first, client: header.source, event: 'passive', opens: false };
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
    const flags = protocol === 'tcp' ? view.getUint8(offset + 13) : 0;
    const opens = (flags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
    const event = protocol === 'tcp' ? tcpEvent(flags) : udpEvent(frame.subarray(offset + 8));
    return { protocol, client: header.source, ports: portsAt(view, offset), event, opens };
  }

  #schedule(
    frame: Uint8Array,
    header: Header,
    flow: Flow,
    service: CompiledService,
    ingress: number | undefined,
  ): Decision {
    const refuse = (verdict: VerdictName): Decision => ({ verdict, service, frame });
    const { routes, service: asked } = service;
    const arrival = this.#image.interfaces.find(({ ifindex }) => ifindex === ingress);
    const isOthers = macFromBytes(frame.subarray(0, 6)) !== this.#ownMac(arrival);
    const isDirectors = this.#uses('directors') && this.#directors.has(macFromBytes(frame.subarray(6, 12)));
    const byRing = this.#goesByRing(service, flow);
    if (!byRing && (isOthers || isDirectors)) {
      return refuse(isOthers ? 'other-host' : 'from-director');
    }
    const { index: destination, verdict, opens } = byRing ? this.#pick(service, flow) : this.#follow(service, flow);
    const route = destination === undefined ? undefined : routes[destination]!;
    if (route === undefined || route.action === 'none') {
      return refuse(verdict ?? (asked.noDestination === 'drop' ? 'dropped' : 'no-destination'));
    }
    if (isOthers || isDirectors) {
      return refuse(isOthers ? 'other-host' : 'from-director');
    }
    const counted = { service, destination: destination!, bytes: header.bytes, opensFlow: opens };
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

  /** The MAC that frames must be addressed to. */
  #ownMac(arrival: Interface | undefined): MacAddress | undefined {
    return this.#uses('nics') ? arrival?.mac : this.#image.interfaces[0]?.mac;
  }

  /** Whether a packet goes where its slot leads, and nothing is asked or remembered of its flow. */
  #goesByRing(service: CompiledService, flow: Flow): boolean {
    const { scheduler, onePacket } = service.service;
    if (!this.#uses('flows')) {
      return true;
    }
    return (
      scheduler === 'maglev' && !service.tracks && (previousOf(service, flow) === SLOT_UNMOVED || onePacket === true)
    );
  }

  /** By the ring alone. */
  #pick(service: CompiledService, flow: Flow): Followed {
    const { ring } = service;
    const index = ring?.[hashedSlot(scheduledOf(service), clientOf(flow))];
    return { opens: flow.opens, ...(index !== undefined && { index }) };
  }

  /** By all rules: bpf/follow.h. */
  #follow(service: CompiledService, flow: Flow): Followed {
    const { flows } = this.#memory;
    this.#diverted = false;
    const { tracks, service: asked } = service;
    const previous = previousOf(service, flow);
    if (asked.onePacket === true || (!tracks && previous === SLOT_UNMOVED)) {
      const opens = asked.onePacket === true || flow.event === 'syn';
      return { ...this.#found(this.#choose(service, flow)), opens };
    }
    const key = flowKey(service, flow);
    const entry =
      flows.get(key) ??
      this.#remember(
        service,
        flow,
        key,
        this.#recall?.flow(service, ownerOf(service, flow), clientOf(flow), flow.ports.destination),
      );
    if (entry !== undefined) {
      return this.#followKnown(service, flow, entry);
    }
    return isHashing(asked.scheduler)
      ? this.#followHashed(service, flow, key, previous)
      : this.#followScheduled(service, flow, key);
  }

  #followKnown(service: CompiledService, flow: Flow, entry: Entry): Followed {
    const { state } = entry;
    const opens = (state === 'time-wait' || state === 'close') && flow.event === 'syn';
    let index = reachableIndex(service, entry.address);
    if (opens || index === undefined) {
      index = this.#assign(service, flow, undefined);
      if (index === undefined) {
        return { opens };
      }
    }
    if (flow.event === 'passive') {
      return { index, opens };
    }
    const next = nextState(state, flow.event);
    this.#change(service, entry, index, next);
    const firm = next === 'established' || next === 'udp';
    if (service.service.persistence !== undefined && next !== state && firm) {
      const template = this.#template(service, flow);
      if (template !== undefined) {
        template.state = 'template';
      }
    }
    return { index, opens };
  }

  #followHashed(service: CompiledService, flow: Flow, key: string, previous: number): Followed {
    const { event } = flow;
    const before = previous < SLOT_MARKED && service.routes[previous]!.action !== 'none' ? previous : undefined;
    const begins = event === 'syn' || event === 'initial';
    const index =
      event === 'passive'
        ? (before ?? this.#choose(service, flow))
        : this.#assign(service, flow, begins ? undefined : before);
    const stays = service.tracks || before !== undefined;
    let opens = event === 'syn';
    if (index === undefined) {
      return { opens };
    }
    if (event === 'datagram' || event === 'initial') {
      opens = stays;
      if (stays) {
        this.#store(service, flow, key, index, 'udp-new');
      }
    } else if (event === 'syn' && (before !== undefined || this.#diverted)) {
      this.#store(service, flow, key, index, 'syn-recv');
    } else if (event === 'ack' && stays) {
      this.#store(service, flow, key, index, 'unconfirmed');
    }
    return { index, opens };
  }

  #followScheduled(service: CompiledService, flow: Flow, key: string): Followed {
    const datagram = flow.event === 'datagram' || flow.event === 'initial';
    if (!datagram && flow.event !== 'syn') {
      return { verdict: 'no-flow', opens: false };
    }
    const index = this.#assign(service, flow, undefined);
    if (index === undefined) {
      return { opens: false };
    }
    this.#store(service, flow, key, index, datagram ? 'udp-new' : 'syn-recv');
    return { index, opens: true };
  }

  /** With its client's other flows, where a service is persistent; else `otherwise`, or as the scheduler says. */
  #assign(service: CompiledService, flow: Flow, otherwise: number | undefined): number | undefined {
    const persistent = service.service.persistence !== undefined;
    const template = persistent ? this.#template(service, flow) : undefined;
    const kept = template && reachableIndex(service, template.address);
    if (kept !== undefined) {
      return kept;
    }
    const index = otherwise ?? this.#choose(service, flow);
    if (index !== undefined && template !== undefined) {
      this.#change(service, template, index, template.state);
    } else if (index !== undefined && persistent) {
      this.#store(service, flow, templateKey(service, flow), index, 'template-new');
    }
    return index;
  }

  #template(service: CompiledService, flow: Flow): Entry | undefined {
    const key = templateKey(service, flow);
    return (
      this.#memory.flows.get(key) ?? this.#remember(service, flow, key, this.#recall?.template(service, clientOf(flow)))
    );
  }

  /** Makes what was recalled the oracle's own. */
  #remember(service: CompiledService, flow: Flow, key: string, found: RecalledFlow | undefined): Entry | undefined {
    if (found === undefined) {
      return undefined;
    }
    const { address, state } = found;
    const client = clientOf(flow);
    const entry = { service: service.name, client, address, state: state as LiveState, seen: this.#now() };
    this.#memory.flows.set(key, entry);
    return entry;
  }

  #choose(service: CompiledService, flow: Flow): number | undefined {
    const { scheduler } = service.service;
    const begins = flow.event === 'syn' || flow.event === 'datagram' || flow.event === 'initial';
    const { name, destinations } = service;
    this.#recallLoads(service);
    const { cursors, members } = this.#memory;
    const nameOf = (index: number): string => `${name} ${destinations[index]!.address}`;
    let cursor = cursors.get(name);
    if (cursor === undefined) {
      cursor = { count: 0n, cached: undefined, ...this.#recall?.cursor(service) };
      cursors.set(name, cursor);
    }
    const cached = destinations.findIndex(({ address }) => address === cursor.cached);
    const state = { count: cursor.count, cached: cached < 0 ? undefined : cached };
    const owner = isHashing(scheduler) ? slotOwner(scheduledOf(service), clientOf(flow)) : undefined;
    this.#diverted = owner !== undefined && this.#load(nameOf(owner)).overloaded;
    const index = schedule(
      scheduledOf(service),
      clientOf(flow),
      (each) => this.#load(nameOf(each)),
      state,
      (each) => members.set(nameOf(each), members.size + 1),
      !begins,
    );
    cursor.count = state.count;
    cursor.cached = state.cached === undefined ? undefined : destinations[state.cached]!.address;
    return index;
  }

  #load(name: string): Load {
    const { loads, members, overloaded } = this.#memory;
    const { active, inactive } = loads.get(name) ?? { active: 0, inactive: 0 };
    return { active, inactive, overloaded: overloaded.has(name), member: members.get(name) ?? 0 };
  }

  /** Brings in how loaded a service's destinations are, before anybody goes by it. */
  #recallLoads(service: CompiledService): void {
    const { loads, members, overloaded } = this.#memory;
    for (const { address } of this.#recall === undefined ? [] : service.destinations) {
      const name = `${service.name} ${address}`;
      if (!loads.has(name)) {
        const { member, overloaded: isOverloaded, ...load } = this.#recall!.load(service, address);
        loads.set(name, load);
        if (isOverloaded) {
          overloaded.add(name);
        }
        if (member > 0) {
          members.set(name, member);
        }
      }
    }
  }

  #found(index: number | undefined): Pick<Followed, 'index'> {
    return index === undefined ? {} : { index };
  }

  #store(service: CompiledService, flow: Flow, key: string, index: number, state: LiveState): void {
    const { address } = service.destinations[index]!;
    const entry = { service: service.name, client: clientOf(flow), address, state, seen: this.#now() };
    this.#memory.flows.set(key, entry);
    this.#memory.stored += 1;
    this.#count(service, address, state, 1);
  }

  #change(service: CompiledService, entry: Entry, index: number, state: LiveState): void {
    const { address } = service.destinations[index]!;
    if (address !== entry.address || classOf(state) !== classOf(entry.state)) {
      this.#count(service, entry.address, entry.state, -1);
      this.#count(service, address, state, 1);
    }
    Object.assign(entry, { address, state, seen: this.#now() });
  }

  #count(service: CompiledService, address: IpAddress, state: LiveState, change: number): void {
    const { loads, overloaded } = this.#memory;
    const name = `${service.name} ${address}`;
    const load = loads.get(name) ?? { active: 0, inactive: 0, persistent: 0 };
    loads.set(name, load);
    load[classOf(state)] += change;
    const upper = service.destinations.find((each) => each.address === address)?.upperThreshold ?? 0;
    if (change > 0 && upper > 0 && load.active + load.inactive + load.persistent >= upper) {
      overloaded.add(name);
    }
  }

  #isTooLong(bytes: number, egress: Interface): boolean {
    const shortest = Math.min(...this.#image.interfaces.map(({ mtu }) => mtu));
    const known = this.#uses('vlan') || this.#uses('nics');
    return bytes > (known ? Math.max(shortest, Math.min(egress.mtu, 0xffff)) : shortest);
  }
}

function scheduledOf({ service, ring, destinations, routes }: CompiledService): Scheduled {
  return {
    scheduler: service.scheduler,
    flags: service.flags ?? [],
    ring,
    weights: destinations.map(({ weight }) => weight),
    reachable: routes.map(({ action }) => action !== 'none'),
  };
}

function clientOf({ client, ports }: Flow): Client {
  return { address: client, port: ports.source };
}

/** What a change left of a flow's slot. */
function previousOf(service: CompiledService, flow: Flow): number {
  const { previous } = service;
  return previous?.[hashedSlot(scheduledOf(service), clientOf(flow))] ?? SLOT_UNMOVED;
}

/** A destination's index when it takes packets. */
function reachableIndex({ destinations, routes }: CompiledService, address: IpAddress): number | undefined {
  const index = destinations.findIndex((each) => each.address === address);
  return index >= 0 && routes[index]!.action !== 'none' ? index : undefined;
}

function ownerOf(service: CompiledService, { protocol, vip = service.service.address }: Flow): string {
  return flowOwnerName(service, protocol, vip);
}

function flowKey(service: CompiledService, flow: Flow): string {
  const { client, ports } = flow;
  return `${ownerOf(service, flow)} ${bytesKey(client)} ${ports.source} ${ports.destination}`;
}

function templateKey({ name, service }: CompiledService, { client }: Flow): string {
  const mask = persistenceMask(service);
  return `${name} ${bytesKey(client.map((byte, i) => byte & mask[i]!))}`;
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
      event: 'passive',
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
