/** The directors that benchmarks measure: real program, real tables, no interface. */

import { fileURLToPath } from 'node:url';

import { MapSet, Publisher } from '../../dataplane/index.js';
import { compile } from '../../image/index.js';
import { feature } from '../../layout/index.js';
import type { Interface, IpAddress, MacAddress, Resolution, Service, World } from '../../model/index.js';

/** The director's object with the benchmark's programs around it. */
const BENCH_OBJECT = fileURLToPath(new URL('../../../bpf/bench.bpf.o', import.meta.url));

/**
 * The director's MAC, and every real server's: rewriting then leaves the frame as it was, so that the same frame can be
 * sent through the program a million times.
 */
export const DIRECTOR: Interface = {
  name: 'bench',
  ifindex: 1,
  mac: '00:50:00:00:04:00',
  up: true,
  mtu: 1500,
  group: 1,
};

/** What bpf/bench.bpf.c calls FIRST_VIP. */
const FIRST_VIP = [10, 200] as const;

export interface Size {
  readonly services: number;
  /** A service. */
  readonly destinations: number;
}

/**
 * What the director is loaded for. `common`: IPv4, IPv6 and fragments on one interface without VLANs, and flows that are
 * remembered where a change moved them. `everything`: all features. `vlan`: all features, and the real servers are on the
 * VLAN with id BENCH_VLAN. `tracked`: as common, and every flow is remembered. `wlc`: the same with IPVS's scheduler.
 */
export type Variant = 'common' | 'everything' | 'vlan' | 'tracked' | 'wlc';

export const BENCH_VLAN = 10;

export function vip(index: number): IpAddress {
  return [...FIRST_VIP, index >> 8, index & 0xff].join('.');
}

/** `services` IPv4 services on TCP and UDP port 80 of a VIP each, and one IPv6 service of each protocol. */
export function benchServices({ services, destinations }: Size): Service[] {
  const range = Array.from({ length: destinations }, (_, i) => i);
  const ipv4 = range.map((i) => ({ address: `10.100.${i >> 8}.${i & 0xff}`, weight: 1 }));
  const ipv6 = range.map((i) => ({ address: `fd00::1:${(i + 1).toString(16)}`, weight: 1 }));
  const all = Array.from({ length: services }, (_, i) => vip(i));
  return [
    ...all.map((address) => service(address, 'tcp', ipv4)),
    service(vip(0), 'udp', ipv4),
    service('fd00::100', 'tcp', ipv6),
    service('fd00::100', 'udp', ipv6),
  ];
}

function service(address: IpAddress, protocol: Service['protocol'], destinations: Service['destinations']): Service {
  return { address, port: 80, protocol, scheduler: 'maglev', track: 'moved', destinations };
}

/** @param macOf the real servers' MACs, by default the director's */
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

/** A director with the benchmark's programs and nothing published. */
export function emptyDirector(): Publisher {
  return new Publisher({
    create: (geometry, features, before) => MapSet.create(BENCH_OBJECT, geometry, features, before),
    reload: (from, features) => MapSet.reload(BENCH_OBJECT, from, features),
    install: () => undefined,
  });
}

/**
 * A director with published tables and the benchmark's programs.
 *
 * @param entries of the table of IPv4 flows
 */
export async function benchDirector(
  size: Size,
  variant: Variant = 'common',
  entries = TRACKED_FLOWS,
): Promise<Publisher> {
  const publisher = emptyDirector();
  const services = benchServices(size).map((each) => asVariant(each, variant));
  const image = compile({ services, flows: { ipv4: entries } }, benchWorld(services));
  const everything = variant === 'everything' || variant === 'vlan';
  await publisher.publish(everything ? { ...image, features: EVERY_FEATURE } : image);
  return publisher;
}

/** Room for a million flows: three quarters full, a table finds a place for nearly all. */
export const TRACKED_FLOWS = Math.ceil((1 << 20) / 0.75);

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
