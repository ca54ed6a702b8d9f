/** VRRP: which of several directors has the VIPs. keepalived speaks it, with a configuration that Beeline writes. */

import { type Family, familyOf, type IpAddress, mac, type MacAddress } from './address.js';

/** A virtual router (RFC 9568) of one address family: one director of several is its master, and has its addresses. */
export interface VrrpInstance {
  /** keepalived's name of it; in one configuration no two are the same. */
  readonly name: string;
  /** The interface by which the directors hear each other. */
  readonly interface: string;
  /** The VRID, 1 to 255: the same on all directors of the instance, and no other on that network. */
  readonly id: number;
  /** 1 to 254; of two directors the higher one is master. */
  readonly priority: number;
  /** Seconds between two advertisements, 0.01 to 40.95. */
  readonly interval: number;
  /** Of one family. Default: the VIPs that no other instance names, as far as they are of its family: see virtualRouters(). */
  readonly addresses?: readonly IpAddress[] | undefined;
  /** Of what family it is if nothing else tells. Default: both, or that of all VIPs. */
  readonly family?: Family | undefined;
  /** The other directors, if advertisements go to each of them. Default: they are multicast. */
  readonly peers?: readonly IpAddress[] | undefined;
  /** The address that advertisements come from. Default: the interface's first one. */
  readonly source?: IpAddress | undefined;
  /** The VIPs have the virtual router's own MAC, 00:00:5e:00:01:ID (keepalived's use_vmac). Default: false. */
  readonly vmac?: boolean | undefined;
  /** A director with a higher priority takes the VIPs back from one that works. Default: true. */
  readonly preempt?: boolean | undefined;
  /** Seconds that it waits before it does. Default: 0. */
  readonly preemptDelay?: number | undefined;
}

export interface VrrpSettings {
  readonly instances: readonly VrrpInstance[];
  /** This director's name in keepalived's log. Default: the host's. */
  readonly routerName?: string | undefined;
}

export const DEFAULT_PRIORITY = 100;
/** Of an advertisement, RFC 9568 section 5.2.7: 1 s. */
export const DEFAULT_VRRP_INTERVAL = 1;

/** keepalived's: it waits for at most this many seconds before it takes addresses back. */
export const MAX_PREEMPT_DELAY = 1000;

/** Returns the name of an instance that has none in the file: "VI_51", "VI_51_6". */
export function defaultInstanceName(instance: Omit<VrrpInstance, 'name'>): string {
  return `VI_${instance.id}${toldFamily(instance) === 6 ? '_6' : ''}`;
}

/** Returns the family that an instance says it has, in whatever way; undefined: it says nothing. */
export function toldFamily({
  family,
  addresses = [],
  source,
  peers = [],
}: Pick<VrrpInstance, 'family' | 'addresses' | 'source' | 'peers'>): Family | undefined {
  const [some] = [...addresses, ...(source === undefined ? [] : [source]), ...peers];
  return family ?? (some && familyOf(some));
}

/** The first five bytes of a virtual router's MAC; the last is its id (RFC 9568, 7.3). */
const VIRTUAL_MACS = { 4: '00:00:5e:00:01', 6: '00:00:5e:00:02' } as const;

/** Returns the MAC of a virtual router. */
export function virtualMac(id: number, family: Family): MacAddress {
  return mac(`${VIRTUAL_MACS[family]}:${id.toString(16).padStart(2, '0')}`);
}

/** Whether a MAC is that of a virtual router, whoever is its master. */
export function isVirtualMac(address: MacAddress): boolean {
  return Object.values(VIRTUAL_MACS).includes(address.slice(0, -3) as never) && !address.endsWith(':00');
}
