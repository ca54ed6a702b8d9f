/** Real servers that are directors themselves: what they send back must not be scheduled again. Pure. */

import type { IpAddress, MacAddress } from './address.js';
import { allServices, type Model } from './model.js';
import { serviceName } from './service-name.js';
import type { Warning } from './warning.js';

/** A service and the real servers that it has elsewhere, with their MACs as far as they are known. */
export interface ServedBy {
  readonly service: string;
  readonly realServers: readonly { readonly address: IpAddress; readonly mac?: MacAddress | undefined }[];
}

/** Returns a warning for each real server that is one of `directors`, addresses and MACs. */
export function directorsAsRealServers(
  services: readonly ServedBy[],
  directors: ReadonlySet<IpAddress | MacAddress>,
): Warning[] {
  return services.flatMap(({ service, realServers }) =>
    realServers
      .filter(({ address, mac }) => directors.has(address) || (mac !== undefined && directors.has(mac)))
      .map(({ address: realServer }): Warning => ({
        code: 'DIRECTOR_AS_REAL_SERVER',
        service,
        realServer,
        message:
          `${service}: real server ${realServer} is one of "directors": what it sends here goes up to this host and ` +
          'is never scheduled again',
        remedy: 'take it out of the real servers, unless both hosts serve the VIP themselves',
      })),
  );
}

/** Returns the real servers as a configuration has them. @param own addresses of this host: those are no other directors */
export function realServersOf(model: Model, own: ReadonlySet<string> = new Set()): ServedBy[] {
  return allServices(model).map((service) => ({
    service: serviceName(service),
    realServers: service.destinations.filter(({ address }) => !own.has(address)),
  }));
}
