/** Ghosts, what is left of services that were removed: the twin of bpf/ghost.h. */

import { type CompiledService, type Ghost, ghostKeysOf, type Image } from '../image/index.js';
import type { IpAddress, Protocol } from '../model/index.js';
import type { Entry } from './flow_entry.js';
import { remember } from './flow_lookup.js';
import { type Followed, followKnown } from './follow.js';
import type { Maps } from './maps.js';
import { bytesKey, clientOf, type Packet } from './parse.js';

/** The ghosts of one image, by address, port and protocol. */
export class GhostTable {
  readonly #ghosts = new Map<string, Ghost>();

  constructor(image: Image) {
    for (const { address, port, protocol, ghost } of [...ghostKeysOf(4, image), ...ghostKeysOf(6, image)]) {
      this.#ghosts.set(`${protocol} ${address} ${port}`, ghost);
    }
  }

  /** The ghost of exactly this port, or of every port when it is 0. */
  at(protocol: Protocol, vip: IpAddress, port: number): Ghost | undefined {
    return this.#ghosts.get(`${protocol} ${vip} ${port}`);
  }
}

/** What a ghost, or a service, does with a packet that is not guarded. */
export type Follower = (maps: Maps, service: CompiledService, packet: Packet) => Followed;

/** Returns how a packet of a ghost is followed: with the verdict no-service where it is of no known flow. */
export function followGhost(ghost: Ghost): Follower {
  return (maps, service, packet) => {
    const entry = findEntry(maps, ghost, packet);
    return entry === undefined
      ? { verdict: 'no-service', opens: false }
      : followKnown({ maps, service, packet, diverted: false }, entry, true);
  };
}

/** Whether a packet may be of a flow without an entry: TCP that does not begin one. */
export function isInTheMiddle({ protocol, event }: Packet): boolean {
  return protocol === 'tcp' && event !== 'syn' && event !== 'passive';
}

/**
 * Returns what a ghost's flows see of its service: for the entry of a mark whose service goes on, the destinations of
 * that.
 */
export function serviceOf({ services }: Image, { service: name, place }: Ghost): CompiledService {
  const live = services.find((each) => each.name === name);
  const { address, protocol, ports } = place!;
  const asked = { address, protocol, port: ports[0]!, scheduler: 'rr', destinations: [] } as const;
  return live === undefined
    ? { service: asked, name, destinations: [], routes: [], ring: undefined, tracks: true, slots: 0 }
    : {
        ...live,
        service: { ...live.service, ttl: 'keep', persistence: undefined, onePacket: false },
        previous: undefined,
        tracks: true,
      };
}

function findEntry(maps: Maps, { name, service }: Ghost, packet: Packet): Entry | undefined {
  const { client, ports } = packet;
  const key = `${name} ${bytesKey(client)} ${ports.source} ${ports.destination}`;
  const known = maps.memory.flows.get(key);
  if (known !== undefined || maps.recall === undefined) {
    return known;
  }
  const found = maps.recall.flow({ name: service }, name, clientOf(packet), ports.destination);
  return remember(maps, { name: service }, packet, key, found);
}
