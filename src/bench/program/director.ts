/** Makes the directors that `beeline bench program` measures: real program, real tables, no interface. */

import { fileURLToPath } from 'node:url';

import { FIRST_EXTENT, MapSet, moveFlows, Publisher } from '../../dataplane/index.js';
import { compile } from '../../image/index.js';
import { feature } from '../../layout/index.js';
import {
  type Interface,
  ip,
  type IpAddress,
  ipFromBytes,
  mac,
  type MacAddress,
  type Resolution,
  type Service,
  type World,
} from '../../model/index.js';

/** The director's BPF object with the benchmark's programs added. */
const BENCH_OBJECT = fileURLToPath(new URL('../../../bpf/bench.bpf.o', import.meta.url));

/**
 * The interface of the director. All real servers have its MAC too: rewriting then leaves the frame as it was, so that the
 * same frame can be sent through the program a million times.
 */
export const DIRECTOR: Interface = {
  name: 'bench',
  ifindex: 1,
  mac: mac('00:50:00:00:04:00'),
  up: true,
  mtu: 1500,
  group: 1,
};

/** FIRST_VIP in bpf/bench.bpf.c. */
const FIRST_VIP = [10, 200] as const;

export interface Size {
  readonly services: number;
  /** Real servers of each service. */
  readonly destinations: number;
}

/**
 * The features and policies of a director. `common`: IPv4, IPv6 and fragments on one interface without VLANs, and entries
 * only for flows that a change moved. `everything`: all features. `vlan`: all features, and the real servers are on the VLAN
 * with id BENCH_VLAN. `tracked`: as `common`, but every flow has an entry. `wlc`: as `tracked`, with IPVS's scheduler.
 */
export type Variant = 'common' | 'everything' | 'vlan' | 'tracked' | 'wlc';

export const BENCH_VLAN = 10;

export function vip(index: number): IpAddress {
  return ipFromBytes(Uint8Array.of(...FIRST_VIP, index >> 8, index & 0xff));
}

/**
 * Returns `services` IPv4 services on TCP port 80, each of another VIP, one on UDP port 80 of the first VIP, and an IPv6
 * service of each protocol.
 */
export function benchServices({ services, destinations }: Size): Service[] {
  const range = Array.from({ length: destinations }, (_, i) => i);
  const ipv4 = range.map((i) => ({ address: ip(`10.100.${i >> 8}.${i & 0xff}`), weight: 1 }));
  const ipv6 = range.map((i) => ({ address: ip(`fd00::1:${(i + 1).toString(16)}`), weight: 1 }));
  const all = Array.from({ length: services }, (_, i) => vip(i));
  return [
    ...all.map((address) => service(address, 'tcp', ipv4)),
    service(vip(0), 'udp', ipv4),
    service(ip('fd00::100'), 'tcp', ipv6),
    service(ip('fd00::100'), 'udp', ipv6),
  ];
}

function service(address: IpAddress, protocol: Service['protocol'], destinations: Service['destinations']): Service {
  return { address, port: 80, protocol, scheduler: 'maglev', track: 'moved', destinations };
}

/**
 * Returns the surroundings of services: one interface, and a MAC for each real server.
 *
 * @param macOf the real servers' MACs, by default the director's
 */
export function benchWorld(
  services: readonly Service[],
  macOf: (address: IpAddress) => MacAddress = () => DIRECTOR.mac,
): World {
  const addresses = new Set(services.flatMap(({ destinations }) => destinations.map(({ address }) => address)));
  const resolve = (address: IpAddress): Resolution => ({
    state: 'resolved',
    mac: macOf(address),
    ifindex: DIRECTOR.ifindex,
  });
  return { interfaces: [DIRECTOR], resolutions: new Map([...addresses].map((address) => [address, resolve(address)])) };
}

/** Makes a director with the benchmark's programs and nothing published. */
export function emptyDirector(): Publisher {
  return new Publisher({
    create: (geometry, features, before) => MapSet.create(BENCH_OBJECT, geometry, features, before),
    reload: (from, features) => MapSet.reload(BENCH_OBJECT, from, features),
    install: () => undefined,
  });
}

/**
 * Makes a director with the benchmark's programs and publishes its tables.
 *
 * @param entries of the flow table for IPv4, all of which are in use: a director's tables are as large as their flows need
 */
export async function benchDirector(
  size: Size,
  variant: Variant = 'common',
  entries = FIRST_EXTENT,
): Promise<Publisher> {
  const publisher = emptyDirector();
  const services = benchServices(size).map((each) => asVariant(each, variant));
  const image = compile({ services, flows: { ipv4: entries } }, benchWorld(services));
  const everything = variant === 'everything' || variant === 'vlan';
  await publisher.publish(everything ? { ...image, features: EVERY_FEATURE } : image);
  await publisher.settle();
  publisher.set!.control.resizeFlows(4, publisher.set!.geometry.flows4);
  await moveFlows(() => publisher.set);
  return publisher;
}

function asVariant(service: Service, variant: Variant): Service {
  switch (variant) {
    case 'vlan': {
      const destinations = service.destinations.map((server) => ({ ...server, vlan: { id: BENCH_VLAN } }));
      return { ...service, destinations };
    }
    case 'tracked':
      return { ...service, track: 'all' };
    case 'wlc':
      return { ...service, scheduler: 'wlc', track: 'all' };
    default:
      return service;
  }
}

const EVERY_FEATURE = Object.values(feature).reduce((bits, bit) => bits | bit, 0);
