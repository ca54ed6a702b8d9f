/** Random directors: services of all kinds, in surroundings of all kinds. */

import type { Compilable } from '../../src/dataplane/index.js';
import {
  familyOf,
  type Destination,
  type Interface,
  type Resolution,
  type Service,
  type World,
} from '../../src/model/index.js';
import { macFor } from '../support/models.js';
import type { Random } from './random.js';

export interface Scene {
  readonly model: Compilable;
  readonly world: World;
}

export const OTHER_DIRECTORS = ['00:50:00:00:08:01', '00:50:00:00:08:02'];

/** Frames of BPF_PROG_RUN come by the loopback interface, index 1. */
const INGRESS: Interface = { name: 'lo', ifindex: 1, mac: '00:50:00:00:04:00', up: true, mtu: 1500, group: 1 };

/**
 * One director.
 *
 * @param egress index of another interface that exists, to redirect to
 */
export function randomScene(random: Random, egress: number): Scene {
  const several = random.oneIn(2);
  const interfaces: Interface[] = several
    ? [
        INGRESS,
        {
          name: 'out',
          ifindex: egress,
          mac: '00:50:00:00:04:02',
          up: true,
          mtu: random.pick([900, 1500, 9000]),
          group: egress,
        },
        { name: 'bond', ifindex: 9999, mac: '00:50:00:00:04:03', up: true, mtu: 1500, group: 1 },
      ]
    : [INGRESS];
  const vlans = random.oneIn(2);
  const services = randomServices(random, vlans);
  const addresses = new Set(services.flatMap(({ destinations }) => destinations.map(({ address }) => address)));
  const resolutions = new Map(
    [...addresses].map((address) => [address, randomResolution(random, address, interfaces)]),
  );
  const directors = random.oneIn(2) ? OTHER_DIRECTORS.slice(0, 1 + random.below(2)) : [];
  const model: Compilable = { services, directors, fragments: !random.oneIn(5), ...(vlans && { vlans: true }) };
  return { model, world: { interfaces, resolutions } };
}

function randomServices(random: Random, vlans: boolean): Service[] {
  const services = new Map<string, Service>();
  const families = random.pick([[4], [6], [4, 6], [4, 6]]);
  for (let i = 0; i < 1 + random.below(8); i += 1) {
    const family = random.pick(families);
    const address = family === 4 ? `10.7.0.${1 + random.below(3)}` : `fd07::${1 + random.below(3)}`;
    const port = random.pick([0, 53, 80, 443]);
    const protocol = random.pick(['tcp', 'udp'] as const);
    services.set(`${address} ${port} ${protocol}`, {
      address,
      port,
      protocol,
      scheduler: 'maglev',
      slots: 64,
      ttl: random.pick(['keep', 'keep', 'decrement'] as const),
      noDestination: random.pick(['reject', 'drop'] as const),
      destinations: randomDestinations(random, address, vlans),
    });
  }
  return [...services.values()];
}

function randomDestinations(random: Random, vip: string, vlans: boolean): Destination[] {
  return Array.from({ length: random.below(6) }, (_, i) => ({
    address: familyOf(vip) === 4 ? `10.8.0.${i + 1}` : `fd08::${i + 1}`,
    weight: random.pick([0, 1, 1, 1, 5]),
    ...(random.oneIn(8) && { mac: `02:aa:00:00:00:0${i}` }),
    ...(vlans &&
      random.oneIn(2) && {
        vlan: random.pick([{ id: 20 }, { id: 4094 }, { id: 20, outer: 100 }, { id: 0, outer: 100 }]),
      }),
  }));
}

function randomResolution(random: Random, address: string, interfaces: readonly Interface[]): Resolution {
  switch (random.below(8)) {
    case 0:
      return { state: 'local' };
    case 1:
      return { state: 'unresolved', reason: 'fuzzing' };
    default:
      return { state: 'resolved', mac: macFor(address), ifindex: random.pick(interfaces).ifindex };
  }
}
