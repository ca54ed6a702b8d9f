/** Finds contradictions in VRRP: within an instance, among instances, and with the services. Pure. */

import {
  familyOf,
  type IpAddress,
  isLinkLocal,
  toldFamily,
  unusableAddress,
  type VrrpInstance,
} from '../model/index.js';
import type { Path, Problem } from './problem.js';
import type { Config } from './schema.js';
import { type ConfigInstance, modelOfInstance } from './schema-vrrp.js';

/** The valid parts; undefined stands for the invalid ones. */
export interface VrrpParts {
  readonly instances: readonly (ConfigInstance | undefined)[];
}

/** Stands for the first interface where that is not known: no other one has this name. */
const UNKNOWN = '';

/** An instance that is valid by itself, and its place. */
interface Placed {
  readonly i: number;
  readonly instance: VrrpInstance;
}

/** @param first the first of the interfaces; undefined: it is not known */
export function vrrpProblems(
  { instances }: VrrpParts,
  first: string | undefined,
  vips: ReadonlySet<IpAddress>,
): Problem[] {
  const placed = instances.flatMap((each, i): Placed[] =>
    each === undefined ? [] : [{ i, instance: modelOfInstance(each, first ?? UNKNOWN) }],
  );
  return placed.flatMap(({ i, instance }, j) => {
    const path = ['vrrp', 'instances', i];
    const before = placed.slice(0, j);
    return [
      ...againstOthers(instance, before, path),
      ...addressProblems(instance, before, path),
      ...peerProblems(instance, path, vips),
      ...preemptProblems(instance, path),
    ];
  });
}

/** The family for which an instance is the same as another: one that says none is IPv4, and perhaps both. */
function familyFor(instance: VrrpInstance): number {
  return toldFamily(instance) ?? 4;
}

function againstOthers(instance: VrrpInstance, before: readonly Placed[], path: Path): Problem[] {
  const { name, id, interface: device, addresses } = instance;
  const family = familyFor(instance);
  const same = before.find(
    ({ instance: each }) => each.id === id && each.interface === device && familyFor(each) === family,
  );
  if (same !== undefined) {
    const message = `is ${id}, the same as vrrp.instances[${same.i}].id on the same interface, in the same family`;
    return [{ path: [...path, 'id'], message }];
  }
  const namesake = before.find(({ instance: each }) => each.name === name);
  if (namesake !== undefined) {
    const message = `is ${name}, the same as that of vrrp.instances[${namesake.i}]: give it another "name"`;
    return [{ path: [...path, 'name'], message }];
  }
  const all = before.find(({ instance: each }) => each.addresses === undefined && familyFor(each) === family);
  return addresses === undefined && all !== undefined
    ? [{ path: [...path, 'addresses'], message: `is missing: vrrp.instances[${all.i}] has the VIPs that nobody names` }]
    : [];
}

function addressProblems(instance: VrrpInstance, before: readonly Placed[], path: Path): Problem[] {
  const { addresses = [], family } = instance;
  const firsts = new Map<IpAddress, string>(
    before.flatMap(({ i, instance: each }) =>
      (each.addresses ?? []).map((address, k): [IpAddress, string] => [
        address,
        `vrrp.instances[${i}].addresses[${k}]`,
      ]),
    ),
  );
  return addresses.flatMap((address, k) => {
    const at = [...path, 'addresses', k];
    const first = firsts.get(address);
    firsts.set(address, first ?? `addresses[${k}]`);
    if (first !== undefined) {
      return [{ path: at, message: `is ${address}, the same as ${first}` }];
    }
    const wanted = family ?? familyOf(addresses[0]!);
    if (familyOf(address) !== wanted) {
      const as = family === undefined ? `addresses[0] is, ${addresses[0]!}` : '"family" says';
      const message = `must be an IPv${wanted} address as ${as}, not ${address}: an instance has one family`;
      return [{ path: at, message }];
    }
    // The first address of an IPv6 router is link-local (RFC 9568, 5.2.9): imported files have it.
    const reason = isLinkLocal(address) ? undefined : unusableAddress(address);
    return reason === undefined ? [] : [{ path: at, message: `cannot be a VIP: ${reason}` }];
  });
}

function peerProblems(instance: VrrpInstance, path: Path, vips: ReadonlySet<IpAddress>): Problem[] {
  const { source, peers = [], addresses = [], family } = instance;
  const wanted = family ?? toldFamily(instance);
  const ownProblem = (address: IpAddress): string | undefined => {
    if (familyOf(address) !== wanted) {
      return `must be an IPv${wanted ?? 4} address as the instance has, not ${address}`;
    }
    return vips.has(address) || addresses.includes(address)
      ? `must be a director's own address; ${address} is a VIP, which only the master has`
      : undefined;
  };
  const ofSource = source === undefined ? undefined : ownProblem(source);
  return [
    ...(ofSource === undefined ? [] : [{ path: [...path, 'source'], message: ofSource }]),
    ...peers.flatMap((peer, k): Problem[] => {
      const at = [...path, 'peers', k];
      const first = peers.indexOf(peer);
      if (first !== k) {
        return [{ path: at, message: `is ${peer}, the same as peers[${first}]` }];
      }
      if (peer === source) {
        return [{ path: at, message: `is ${peer}, this director's own "source"; name the others only` }];
      }
      const message = ownProblem(peer);
      return message === undefined ? [] : [{ path: at, message }];
    }),
  ];
}

function preemptProblems({ preempt, preemptDelay }: VrrpInstance, path: Path): Problem[] {
  return preempt === false && preemptDelay !== undefined
    ? [{ path: [...path, 'preemptDelay'], message: 'has no meaning with "preempt: false"' }]
    : [];
}

type Essential = Pick<Config['services'][number], 'essential' | 'health'> & {
  readonly realServers?: Config['services'][number]['realServers'] | undefined;
};

/** Without checks real servers are always up: nothing would follow from it. */
export function essentialProblems({ essential, health, realServers = [] }: Essential, path: Path): Problem[] {
  const areChecked =
    (health?.checks.length ?? 0) > 0 ||
    realServers.some((server) => 'health' in server && (server.health?.checks?.length ?? 0) > 0);
  return essential === true && !areChecked
    ? [
        {
          path: [...path, 'essential'],
          message: 'needs "health" with checks: without them its real servers are always up',
        },
      ]
    : [];
}
