/** The names of services: how people write them, and how maps and messages identify them. */

import { familyOf, parseIp, ip } from './address.js';
import type { MarkKey, Protocol, Service, ServiceKey } from './service.js';

/** Returns the name of a service: "tcp 192.168.1.100:80". */
export function serviceName({
  address,
  port,
  protocol,
  mark,
}: ServiceKey & { readonly mark?: number | undefined }): string {
  if (mark !== undefined) {
    return markServiceName({ mark, family: familyOf(address) });
  }
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return `${protocol} ${host}:${port}`;
}

/** Returns the name of a service of marked packets, as in IPVS's listings: "fwm 1", "fwm 1 ipv6". */
export function markServiceName({ mark, family }: MarkKey): string {
  return family === 6 ? `fwm ${mark} ipv6` : `fwm ${mark}`;
}

/**
 * Parses a service's name: "tcp 192.168.1.100:80", "192.168.1.100:80", "udp [fd00::1]:53", "fwm 1", "fwm 1 ipv6". A slash
 * may replace the space, and the default protocol is TCP. Undefined if the text is no name.
 */
export function parseServiceName(text: string): (ServiceKey & Pick<Service, 'mark'>) | undefined {
  const marked = /^fwm[ /](\d{1,10})([ /]ipv6)?$/i.exec(text.trim());
  if (marked !== null) {
    const mark = Number(marked[1]);
    return { protocol: 'tcp', address: marked[2] === undefined ? ip('0.0.0.0') : ip('::'), port: 0, mark };
  }
  const parts = /^(?:(tcp|udp)[ /])?(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/i.exec(text.trim());
  const address = parseIp(parts?.[2] ?? parts?.[3] ?? '');
  const port = Number(parts?.[4]);
  if (address === undefined || !(port <= 0xffff)) {
    return undefined;
  }
  return { protocol: (parts?.[1]?.toLowerCase() ?? 'tcp') as Protocol, address, port };
}
