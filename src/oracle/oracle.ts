/** Says what the XDP program must do with a frame: the twin of bpf/director.bpf.c, and what tests compare it to. */

import { type CompiledService, flowOwnerName, forProtocol, type Image } from '../image/index.js';
import type { IpAddress } from '../model/index.js';
import type { Decision } from './delivery.js';
import { forgetExpired } from './flow_store.js';
import { forward } from './forward_dr.js';
import { storeFragment } from './fragment.js';
import { emptyMemory, type Maps, type Recall } from './maps.js';
import { ServiceTable } from './match.js';
import { frameOf } from './parse.js';
import { scheduledOf } from './policy.js';
import { hashedSlot } from './schedule_table.js';
import { parsePayload } from './unusual.js';
import { parseHeader, walk } from './walk.js';

/**
 * Decides about frames by one image: make it once and ask it often. It remembers first fragments and flows as the
 * program does, but without a limit in number or time.
 */
export class Oracle {
  readonly #maps: Maps;
  readonly #services: ServiceTable;

  /**
   * @param before the oracle whose memory goes on, after a change of the image
   * @param now the time in seconds, where flows are to end by their timeouts
   * @param recall what is remembered already
   */
  constructor(image: Image, before?: Oracle, now: () => number = () => 0, recall?: Recall) {
    this.#maps = { image, memory: before === undefined ? emptyMemory() : before.#maps.memory, recall, now };
    this.#services = new ServiceTable(image);
  }

  /** How many flows were stored since the first image. */
  get stored(): number {
    return this.#maps.memory.stored;
  }

  /** Forgets the flows whose timeouts have passed, as a sweep does. */
  expire(): void {
    forgetExpired(this.#maps);
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
    const payload = walk(frame, header.family, header.offset);
    const packet = typeof payload === 'string' ? payload : parsePayload(this.#maps, frame, header, payload);
    if (typeof packet === 'string') {
      return { verdict: packet, frame: bytes };
    }
    const service = this.#services.match(packet.protocol, vip, packet.ports.destination);
    if (service === undefined) {
      return { verdict: 'no-service', frame: bytes };
    }
    const first = typeof payload === 'object' && payload.fragment === 'first' ? payload : undefined;
    const keep = (firstWent: IpAddress | undefined): void => {
      if (first !== undefined) {
        storeFragment(this.#maps, header, first, { protocol: packet.protocol, ports: packet.ports, firstWent });
      }
    };
    keep(undefined);
    return {
      ...forward(this.#maps, frame, header, { ...packet, vip }, forProtocol(service, packet.protocol), ingress, keep),
      owner: flowOwnerName(service, packet.protocol, vip),
    };
  }
}
