/** Rules about settings that exclude each other in one service, for the configuration file and for commands. Pure. */

import { type Family, familyOf, type IpAddress, ipBytes, isMapped } from './address.js';
import { HASHING_SCHEDULERS, isHashing, type SchedulerFlag } from './scheduler.js';
import type { Destination, Protocol, ServicePolicy } from './service.js';

/** A rule that is broken. */
export interface Breach {
  /** The keys from the service to the wrong value. */
  readonly path: readonly (string | number)[];
  /** Completes "flags …": "must be flags of the scheduler sh, which mh-port is not". */
  readonly message: string;
}

export interface PolicyToCheck extends Pick<
  ServicePolicy,
  'scheduler' | 'track' | 'persistence' | 'onePacket' | 'slots'
> {
  readonly flags?: readonly SchedulerFlag[] | undefined;
  readonly family: Family;
  /** Undefined: packets of all protocols, selected by their mark. */
  readonly protocol?: Protocol | undefined;
}

/** Checks scheduler, tracking and persistence against each other. */
export function policyBreaches(policy: PolicyToCheck): Breach[] {
  const { family, protocol, scheduler, flags = [], track, persistence, onePacket = false, slots } = policy;
  const breaches: Breach[] = [];
  const add = (key: string, message: string): void => {
    breaches.push({ path: [key], message });
  };
  const foreign = flags.find((flag) => !flag.startsWith(`${scheduler}-`));
  if (foreign !== undefined) {
    add('flags', `must be flags of the scheduler ${scheduler}, which ${foreign} is not`);
  }
  if (slots !== undefined && scheduler !== 'maglev') {
    add('slots', `needs the scheduler maglev: ${scheduler} has no ring of that size`);
  }
  if (track === 'moved' && !isHashing(scheduler)) {
    add(
      'track',
      `must be all: "moved" needs a scheduler that hashes (${HASHING_SCHEDULERS.join(', ')}), not ${scheduler}`,
    );
  }
  if (track === 'moved' && persistence !== undefined) {
    add('track', 'must be all with "persistence", which needs every flow to be remembered');
  }
  if (onePacket && protocol !== undefined && protocol !== 'udp') {
    add('onePacket', `needs protocol udp, not ${protocol}`);
  }
  if (onePacket && persistence !== undefined) {
    add('onePacket', 'excludes "persistence": it remembers no flow');
  }
  if (onePacket && track !== undefined) {
    add('track', 'has no meaning with "onePacket", which remembers no flow');
  }
  const mask = persistence?.mask;
  if (mask !== undefined && (typeof mask === 'number') !== (family === 6)) {
    const wanted = family === 6 ? 'the length of a prefix, for example 64' : 'a netmask, for example 255.255.255.0';
    breaches.push({ path: ['persistence', 'mask'], message: `must be ${wanted}, since the VIP is IPv${family}` });
  }
  return breaches;
}

/** Checks thresholds against each other and against the service. */
export function thresholdBreach(
  { upperThreshold: upper, lowerThreshold: lower }: Pick<Destination, 'upperThreshold' | 'lowerThreshold'>,
  service: Pick<ServicePolicy, 'track' | 'onePacket'>,
): Breach | undefined {
  if (lower !== undefined && (upper === undefined || lower > upper)) {
    const message = upper === undefined ? 'needs "upperThreshold"' : `must be at most upperThreshold, ${upper}`;
    return { path: ['lowerThreshold'], message };
  }
  if (upper !== undefined && (service.track === 'moved' || service.onePacket === true)) {
    return {
      path: ['upperThreshold'],
      message: 'needs every flow of the service to be remembered ("track: all")',
    };
  }
  return undefined;
}

/** Returns whether a mask tells clients apart. */
export function isNetmask(mask: IpAddress): boolean {
  return familyOf(mask) === 4 && mask !== '0.0.0.0';
}

/** Returns why an address cannot be a real server's; undefined if it can. */
export function unusableRealServer(address: IpAddress): string | undefined {
  if (isMapped(address)) {
    return `${address} is an IPv4 address in an IPv6 one`;
  }
  return isSelf(address) ? undefined : unusableAddress(address);
}

/**
 * Returns whether an address means the host itself, on every host: as real servers such addresses are the director, as in
 * ldirectord's "fallback=127.0.0.1:80 gate".
 */
export function isSelf(address: IpAddress): boolean {
  return address === '0.0.0.0' || (isLoopback(address) && address !== '127.255.255.255');
}

/** Returns why no host on a network can have this address; undefined if one can. */
export function unusableAddress(address: IpAddress): string | undefined {
  const bytes = ipBytes(address);
  const family = familyOf(address);
  if (bytes.every((byte) => byte === 0)) {
    return `${address} is not a host's address`;
  }
  if (isLoopback(address)) {
    return `${address} is a loopback address`;
  }
  if (family === 4 ? bytes[0]! >= 224 : bytes[0] === 0xff) {
    return `${address} is a multicast or broadcast address`;
  }
  if (isLinkLocal(address)) {
    return `${address} is a link-local address`;
  }
  return undefined;
}

/** Whether an address is of fe80::/10. */
export function isLinkLocal(address: IpAddress): boolean {
  return /^fe[89ab].:/.test(address);
}

export function isLoopback(address: IpAddress): boolean {
  const bytes = ipBytes(address);
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}
