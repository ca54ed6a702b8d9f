/** Services as the checks of a configuration look at them. Pure. */

import { allServices, type AnyService, hashesPort, isSelf, type Model } from '../model/index.js';

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

/** The real servers of a service by address, without this host. */
export function serversOf({ destinations }: AnyService): string[] {
  return destinations.map(({ address }) => address).filter((address) => !isSelf(address));
}
