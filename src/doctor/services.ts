/** Services as the checks of a configuration look at them. Pure. */

import type { ServiceReport } from '../control/index.js';
import { allServices, type AnyService, hashesPort, type IpAddress, isSelf, type Model } from '../model/index.js';
import type { DirectorFacts } from './facts.js';

/** Returns the services that a model schedules among several hosts. */
export function balanced(model: Model): AnyService[] {
  return allServices(model).filter(({ destinations }) => destinations.filter(({ weight }) => weight > 0).length > 1);
}

/** Whether a service has a host that takes new flows when no real server does. */
export function hasFallback({ health }: AnyService): boolean {
  return (health?.fallback?.length ?? 0) > 0;
}

/** Whether all flows of one client go to one real server, as long as the real servers stay the same. */
export function keepsClients(service: AnyService): boolean {
  const { scheduler, persistence } = service;
  const byAddress = (scheduler === 'sh' || scheduler === 'mh') && !hashesPort(service);
  return persistence !== undefined || byAddress || scheduler === 'dh' || scheduler === 'fo';
}

/** How many packets for a VIP were counted: ever, and while the doctor looked. Without a director that counts: none. */
export function cameFor(
  vip: IpAddress,
  { services = [], servicesAfter = [] }: DirectorFacts,
): { readonly ever: number; readonly meanwhile: number } {
  const count = (reports: readonly ServiceReport[]): number =>
    reports
      .filter((each) => 'address' in each && each.address === vip)
      .flatMap(({ realServers, verdicts }) => [
        ...realServers.map(({ packets }) => packets),
        ...Object.values(verdicts),
      ])
      .reduce((sum, each) => sum + each, 0);
  const [before, after] = [count(services), count(servicesAfter)];
  return { ever: Math.max(before, after), meanwhile: Math.max(0, after - before) };
}

/** The real servers of a service by address, without this host. */
export function serversOf({ destinations }: AnyService): string[] {
  return destinations.map(({ address }) => address).filter((address) => !isSelf(address));
}
