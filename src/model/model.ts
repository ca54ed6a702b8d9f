/** The model: everything that an operator asks for. */

import { isDeepStrictEqual } from 'node:util';

import type { IpAddress, MacAddress } from './address.js';
import { BeelineError } from './error.js';
import type { FlowHandOver } from './flow-hand-over.js';
import type { FlowTableSizes, Overrides, Timeouts } from './flow-settings.js';
import type { HealthSettings } from './health.js';
import type { MarkRule, MarkService, Service } from './service.js';
import { serviceName } from './service-name.js';
import type { VrrpSettings } from './vrrp.js';

/** The most interfaces and other directors that the data path has room for (bpf/layout.h; a test compares them). */
export const MAX_INTERFACES = 64;
export const MAX_DIRECTORS = 6;

/** More bridges than a host has, so that a mistake is told before the kernel refuses it. */
export const MAX_CLIENT_BRIDGES = 64;

export interface Model {
  readonly interfaces: readonly string[];
  /** `auto`: native, or generic if the driver refuses. */
  readonly mode: 'native' | 'generic' | 'auto';
  /** Whether later fragments follow the first; default: yes. */
  readonly fragments?: boolean | undefined;
  /** Whether tagged frames are parsed; default: if a real server is on a VLAN. */
  readonly vlans?: boolean | undefined;
  /** Other directors, by address or MAC: their frames are never scheduled a second time. */
  readonly directors?: readonly (IpAddress | MacAddress)[] | undefined;
  /** Whether this host's own connections to the VIPs are scheduled; default: no. */
  readonly hostClients?: boolean | undefined;
  /** Bridges of this host whose containers are clients as the host is; needs `hostClients`. */
  readonly clientBridges?: readonly string[] | undefined;
  /** Replace DEFAULT_TIMEOUTS. */
  readonly timeouts?: Overrides<Timeouts> | undefined;
  /** Replace DEFAULT_FLOWS. */
  readonly flows?: Overrides<FlowTableSizes> | undefined;
  readonly health?: HealthSettings | undefined;
  /** Default: no other director takes the VIPs over. */
  readonly vrrp?: VrrpSettings | undefined;
  /** Default: no other director knows this one's flows. */
  readonly flowHandOver?: FlowHandOver | undefined;
  readonly services: readonly Service[];
  readonly markServices?: readonly MarkService[] | undefined;
  /** No two of them match the same packet. */
  readonly markRules?: readonly MarkRule[] | undefined;
}

/** A service of either kind. */
export type AnyService = Service | MarkService;

/** Returns the services by address, then those by mark, each kind in the order in which they were added. */
export function allServices(model: Pick<Model, 'services' | 'markServices'>): AnyService[] {
  return [...model.services, ...(model.markServices ?? [])];
}

/**
 * Returns the next model with every unchanged service taken from the previous one: it is the same object, so that to
 * compile or compare it costs nothing.
 */
export function keepUnchanged(previous: Model, next: Model): Model {
  const keep = <Each extends AnyService>(
    before: readonly Each[] = [],
    after: readonly Each[],
    nameOf: (each: Each) => string,
  ): Each[] => {
    const known = new Map(before.map((each) => [nameOf(each), each]));
    return after.map((each) => {
      const same = known.get(nameOf(each));
      return same !== undefined && (same === each || isSame(same, each)) ? same : each;
    });
  };
  return {
    ...next,
    services: keep(previous.services, next.services, serviceName),
    ...(next.markServices === undefined
      ? {}
      : { markServices: keep(previous.markServices, next.markServices, serviceName) }),
  };
}

/**
 * Returns a model that came from another director, with what is this host's own left as it is: interfaces, mode, VLANs, other
 * directors, VRRP, flow hand-over.
 *
 * @throws BeelineError `INTERFACE_MISSING` if a real server is behind an interface that is not among this host's
 */
export function withHostOf(own: Model, given: Model): Model {
  const { interfaces, mode, vlans, directors, vrrp, flowHandOver } = own;
  for (const service of allServices(given)) {
    const strange = service.destinations.find(
      (each) => each.interface !== undefined && !interfaces.includes(each.interface),
    );
    if (strange !== undefined) {
      throw new BeelineError(
        'INTERFACE_MISSING',
        `${serviceName(service)}: ${strange.address} is behind ${strange.interface}, which is no interface of this director`,
        { hint: 'Interfaces of real servers must have the same names on both directors.' },
      );
    }
  }
  return { ...given, interfaces, mode, vlans, directors, vrrp, flowHandOver };
}

/** An edit leaves what it does not change: those real servers are the same objects, and need no look inside. */
function isSame(before: AnyService, after: AnyService): boolean {
  const [{ destinations: then, ...policy }, { destinations: now, ...other }] = [before, after];
  return (
    then.length === now.length &&
    isDeepStrictEqual(policy, other) &&
    then.every((each, i) => each === now[i] || isDeepStrictEqual(each, now[i]))
  );
}
