/** The names of services: how people write them, and how maps and messages identify them. */

import { familyOf, parseVip, type Family } from './address.js';
import type { MarkKey, Protocol, ServiceKey } from './service.js';

/** Identifies a service of either kind. */
export type AnyServiceKey = ServiceKey | MarkKey;

export function isMarkKey(key: AnyServiceKey): key is MarkKey {
  return 'mark' in key;
}

/** Returns the family of a service's packets. */
export function familyOfService(key: AnyServiceKey): Family {
  return isMarkKey(key) ? key.family : familyOf(key.address);
}

/** Returns the name of a service: "tcp 192.168.1.100:80"; "fwm 1", "fwm 1 ipv6" of marked packets, as IPVS lists them. */
export function serviceName(key: AnyServiceKey): string {
  if (isMarkKey(key)) {
    return key.family === 6 ? `fwm ${key.mark} ipv6` : `fwm ${key.mark}`;
  }
  const { address, port, protocol } = key;
  const host = familyOf(address) === 6 ? `[${address}]` : address;
  return `${protocol} ${host}:${port}`;
}

/**
 * Parses a service's name: "tcp 192.168.1.100:80", "192.168.1.100:80", "udp [fd00::1]:53", "fwm 1", "fwm 1 ipv6". A slash
 * may replace the space, and the default protocol is TCP. Undefined if the text is no name.
 */
export function parseServiceName(text: string): AnyServiceKey | undefined {
  const marked = /^fwm[ /](\d{1,10})([ /]ipv6)?$/i.exec(text.trim());
  if (marked !== null) {
    return { mark: Number(marked[1]), family: marked[2] === undefined ? 4 : 6 };
  }
  const parts = /^(?:(tcp|udp)[ /])?(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/i.exec(text.trim());
  const address = parseVip(parts?.[2] ?? parts?.[3] ?? '');
  const port = Number(parts?.[4]);
  if (address === undefined || !(port <= 0xffff)) {
    return undefined;
  }
  return { protocol: (parts?.[1]?.toLowerCase() ?? 'tcp') as Protocol, address, port };
}
