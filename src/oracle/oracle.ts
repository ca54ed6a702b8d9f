/** Says what the XDP program must do with a frame: the twin of bpf/director.bpf.c, and what tests compare it to. */

import { type CompiledService, flowOwnerName, forProtocol, type Ghost, type Image } from '../image/index.js';
import type { IpAddress, Protocol } from '../model/index.js';
import { forgetAnswers } from './answer.js';
import type { Decision } from './delivery.js';
import { forgetExpired } from './flow_store.js';
import { follow } from './follow.js';
import { forward } from './forward_dr.js';
import { storeFragment } from './fragment.js';
import { followGhost, GhostTable, isInTheMiddle, serviceOf } from './ghost.js';
import { isOwnVlan } from './guard.js';
import { ICMP_PROTOCOL } from './icmp.js';
import { endOverloads } from './load.js';
import { emptyMemory, type Maps, type Recall } from './maps.js';
import { isMartian } from './martian.js';
import { ServiceTable } from './match.js';
import { type Frame, frameOf, type Packet } from './parse.js';
import { forgetSchedule, scheduledOf } from './policy.js';
import { hashedSlot } from './schedule_table.js';
import { parsePayload } from './unusual.js';
import { type Header, isIpsec, parseHeader, walk } from './walk.js';

/** The object of a service table's entry. */
type Match = CompiledService | Ghost;

function isGhost(match: Match): match is Ghost {
  return 'lingers' in match;
}

/**
 * Decides about frames by one image: make it once and ask it often. It remembers first fragments and flows as the
 * program does, but without a limit in number or time.
 */
export class Oracle {
  readonly #maps: Maps;
  readonly #services: ServiceTable;
  readonly #ghosts: GhostTable;

  /**
   * @param before the oracle whose memory goes on, after a change of the image
   * @param now the time in seconds, where flows are to end by their timeouts
   * @param recall what is remembered already
   */
  constructor(image: Image, before?: Oracle, now: () => number = () => 0, recall?: Recall) {
    this.#maps = { image, memory: before === undefined ? emptyMemory() : before.#maps.memory, recall, now };
    this.#services = new ServiceTable(image);
    this.#ghosts = new GhostTable(image);
    if (before !== undefined) {
      forgetAnswers(this.#maps.memory, before.#maps.image, image);
    }
    for (const { service } of before === undefined ? [] : before.#maps.image.ghosts) {
      if (image.services.some(({ name }) => name === service)) {
        forgetSchedule(this.#maps, service);
      }
    }
  }

  /** How many flows were stored since the first image. */
  get stored(): number {
    return this.#maps.memory.stored;
  }

  /** Forgets the flows whose timeouts have passed, and ends overloads, as a sweep does. */
  sweep(): void {
    forgetExpired(this.#maps);
    endOverloads(this.#maps);
  }

  /** By slot of a service under a hashing scheduler, whether a flow is remembered that falls on it. */
  occupied(service: CompiledService): Uint8Array {
    const occupied = new Uint8Array(service.ring?.length ?? 0);
    for (const { service: name, client } of this.#maps.memory.flows.values()) {
      if (name === service.name) {
        occupied[hashedSlot(scheduledOf(service), client)] = 1;
      }
    }
    return occupied;
  }

  /** @param ingress index of the interface that the frame came by; by default the first */
  decide(bytes: Uint8Array, ingress = this.#maps.image.interfaces[0]?.ifindex): Decision {
    const frame = frameOf(bytes);
    const header = parseHeader(this.#maps.image, frame);
    const vip = header && this.#services.vip(header.destination);
    if (header === undefined || vip === undefined) {
      return { verdict: 'not-ours', frame: bytes };
    }
    if (!isOwnVlan(this.#maps.image, header.vlan)) {
      return { verdict: 'other-vlan', frame: bytes };
    }
    const payload = walk(frame, header.family, header.offset);
    const packet = typeof payload === 'string' ? payload : parsePayload(this.#maps, frame, header, payload);
    if (typeof packet === 'string') {
      return { verdict: packet, frame: bytes };
    }
    const { protocol, ports } = packet;
    // Of an ICMP error the sender is looked at too, beside the client that it quotes.
    const martian = isMartian(this.#maps.image, header.source, ingress);
    const client = martian ? header.source : packet.client;
    const first = typeof payload === 'object' && payload.fragment === 'first' && !martian ? payload : undefined;
    const byFirst = first?.protocol === ICMP_PROTOCOL[header.family];
    const unanswerable =
      typeof payload === 'object' && (payload.notFirst === true || payload.protocol === ICMP_PROTOCOL[header.family]);
    const keep = (firstWent?: IpAddress, firstService?: string): void => {
      if (first !== undefined) {
        storeFragment(this.#maps, header, first, { protocol, ports, firstWent, byFirst, firstService });
      }
    };
    // Also without a service: the later ones follow it to the host.
    keep();
    const matches = this.#matches(protocol, vip, ports.destination);
    if (matches.length === 0) {
      const ipsec = typeof payload === 'object' && isIpsec(header.family, payload.protocol);
      return { verdict: ipsec ? 'other-protocol' : 'no-service', frame: bytes };
    }
    return this.#direct(
      frame,
      header,
      { ...packet, client, vip, byFirst: packet.byFirst === true && !martian, ofError: byFirst, unanswerable },
      matches,
      ingress,
      keep,
    );
  }

  /** The service that a packet is for, or the ghosts that are asked first, and what is behind the last. */
  #matches(protocol: Protocol, vip: IpAddress, port: number): readonly Match[] {
    const live = this.#services.match(protocol, vip, port);
    const [exact, wildcard] = [port, 0].map((each) => this.#ghosts.at(protocol, vip, each));
    return [exact, live ?? (wildcard === exact ? undefined : wildcard)].filter((each) => each !== undefined);
  }

  #direct(
    frame: Frame,
    header: Header,
    packet: Packet,
    matches: readonly Match[],
    ingress: number | undefined,
    keep: (firstWent: IpAddress, firstService: string) => void,
  ): Decision {
    const { protocol, vip } = packet;
    let passed: Ghost | undefined;
    for (const match of matches) {
      if (!isGhost(match)) {
        const service = forProtocol(match, protocol);
        const follower = passed === undefined ? undefined : follow;
        const decision = forward(this.#maps, frame, header, packet, service, ingress, keep, follower);
        return { ...decision, owner: flowOwnerName(match, protocol, vip) };
      }
      const service = serviceOf(this.#maps.image, match);
      const decision = forward(this.#maps, frame, header, packet, service, ingress, keep, followGhost(match));
      if (decision.verdict !== 'no-service') {
        return { ...decision, owner: match.name };
      }
      passed = match;
    }
    const lingers = passed!.lingers && isInTheMiddle(packet);
    return { verdict: lingers ? 'service-gone' : 'no-service', lingers, frame: frame.bytes, owner: passed!.name };
  }
}
