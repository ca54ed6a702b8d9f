/** Models and surroundings for tests that need no network. */

import fc from 'fast-check';

import {
  familyOf,
  type Interface,
  ip,
  type IpAddress,
  ipFromBytes,
  mac,
  type MacAddress,
  parseIp,
  type Resolution,
  type Service,
  type World,
} from '../../src/model/index.js';

export const DIRECTOR: Interface = {
  name: 'ens3',
  ifindex: 7,
  mac: mac('00:50:00:00:04:00'),
  up: true,
  mtu: 1500,
  group: 7,
};
export const CLIENT_MAC = mac('00:50:00:00:03:00');

/** Returns a service. Real servers are given as an address (weight 1) or as `[address, weight]`. */
export function service(
  address: IpAddress,
  port: number,
  servers: readonly (IpAddress | readonly [IpAddress, number])[],
  rest: Partial<Service> = {},
): Service {
  const destinations = servers.map((each) =>
    typeof each === 'string' ? { address: each, weight: 1 } : { address: each[0], weight: each[1] },
  );
  return { address, port, protocol: 'tcp', scheduler: 'maglev', destinations, ...rest };
}

/** Returns a distinct MAC for each address: "02:" and the last five bytes of the address. */
export function macFor(address: IpAddress): MacAddress {
  const text = Buffer.from(address).toString('hex').slice(-10).padStart(10, '0');
  return mac(`02:${text.match(/../g)!.join(':')}`);
}

/** Returns surroundings in which every real server answers, except as `except` says. */
export function worldOf(services: readonly Service[], except: Readonly<Record<string, Resolution>> = {}): World {
  const addresses = services.flatMap(({ destinations }) => destinations.map(({ address }) => address));
  const resolved = addresses.map((address): [IpAddress, Resolution] => [
    address,
    except[address] ?? { state: 'resolved', mac: macFor(address), ifindex: DIRECTOR.ifindex },
  ]);
  return { interfaces: [DIRECTOR], resolutions: new Map(resolved) };
}

const ipv4 = fc.uint8Array({ minLength: 2, maxLength: 2 }).map(([a, b]) => ip(`10.0.${a!}.${b!}`));
const ipv6 = fc
  .uint8Array({ minLength: 2, maxLength: 2 })
  .map(([a, b]) => ipFromBytes(Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, a!, b!)));

/** One service of either address family. */
const anyService = fc.constantFrom(4, 6).chain((family) =>
  fc
    .record({
      address: (family === 4 ? ipv4 : ipv6).map((address) =>
        ip(address.replace(/^10\.0/, '192.168').replace(/^fd00/, 'fd99')),
      ),
      port: fc.constantFrom(0, 25, 53, 80, 443),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      destinations: fc.uniqueArray(
        fc.record(
          { address: family === 4 ? ipv4 : ipv6, weight: fc.constantFrom(0, 1, 1, 1, 3, 10) },
          { noNullPrototype: true },
        ),
        { maxLength: 12, selector: ({ address }) => address },
      ),
    })
    .map((rest): Service => ({ ...rest, scheduler: 'maglev' })),
);

/** The services of any model, each with a unique address, port and protocol. */
export const anyServices = fc.uniqueArray(anyService, {
  maxLength: 12,
  selector: ({ address, port, protocol }) => `${address} ${port} ${protocol}`,
});

/** Returns copies of the services in another order, with copies of their destinations in another order. */
export function reordered(services: readonly Service[]): Service[] {
  return [...services]
    .reverse()
    .map((each) => ({ ...each, destinations: each.destinations.map((destination) => ({ ...destination })).reverse() }));
}

/** Returns a client address of the service's family, one for each index. */
export function clientFor({ address }: Service, index: number): IpAddress {
  return familyOf(address) === 4
    ? ip(`172.16.${(index >> 8) & 0xff}.${index & 0xff}`)
    : parseIp(`fd77::${index.toString(16)}`)!;
}
