/** Mark rules: how people write them, and which of them match the same packets. */

import { addressBits, type Family, familyOf, isInNetwork, networkOf, parseIp } from './address.js';
import { type MarkMatch, type MarkRule, PROTOCOLS } from './service.js';

/** netfilter's marks are 32 bits; 0 is none. */
export const MAX_MARK = 0xffff_ffff;
const MAX_PORT = 0xffff;

/** Completes "must be …" if a text is no match. */
export const MARK_MATCH_FORM =
  'PROTOCOL:ADDRESS[/PREFIX]:PORT[-PORT], for example tcp:192.168.1.100:80, udp:192.168.1.0/24:* or tcp:[fd00::100]:443';

/**
 * Parses a match: "tcp:192.168.1.100:80", "udp:192.168.1.0/24:5000-5999", "tcp:[fd00::]/64:*"; "*" is every port.
 * Undefined if the text is none, or if its address has bits set after the prefix.
 */
export function parseMarkMatch(text: string): MarkMatch | undefined {
  const parts =
    /^(?<protocol>[a-z]+):(?:\[(?<v6>[^\]]*)\]|(?<v4>[^[\]:/]*))(?:\/(?<prefix>\d{1,3}))?:(?<ports>\*|\d{1,5}(?:-\d{1,5})?)$/i.exec(
      text,
    )?.groups;
  const protocol = PROTOCOLS.find((each) => each === parts?.['protocol']?.toLowerCase());
  const family: Family = parts?.['v6'] === undefined ? 4 : 6;
  const address = parseIp(parts?.['v6'] ?? parts?.['v4'] ?? '');
  if (protocol === undefined || address === undefined || familyOf(address) !== family) {
    return undefined;
  }
  const prefixLength = Number(parts?.['prefix'] ?? addressBits(family));
  const ports = parts?.['ports'] ?? '';
  const [first, last = first] = ports === '*' ? [0, MAX_PORT] : ports.split('-').map(Number);
  if (
    prefixLength > addressBits(family) ||
    networkOf(address, prefixLength) !== address ||
    first === undefined ||
    last === undefined ||
    last > MAX_PORT ||
    first > last
  ) {
    return undefined;
  }
  return { protocol, address, prefixLength, firstPort: first, lastPort: last };
}

/** Returns the canonical spelling of a match, which `parseMarkMatch` reads. */
export function markMatchName({ protocol, address, prefixLength, firstPort, lastPort }: MarkMatch): string {
  const family = familyOf(address);
  const host = family === 6 ? `[${address}]` : address;
  const prefix = prefixLength === addressBits(family) ? '' : `/${prefixLength}`;
  const ports =
    firstPort === 0 && lastPort === MAX_PORT
      ? '*'
      : firstPort === lastPort
        ? String(firstPort)
        : `${firstPort}-${lastPort}`;
  return `${protocol}:${host}${prefix}:${ports}`;
}

/** Returns whether some packets match both. */
export function overlap(a: MarkMatch, b: MarkMatch): boolean {
  const shorter = Math.min(a.prefixLength, b.prefixLength);
  return (
    a.protocol === b.protocol &&
    isInNetwork(a.address, b.address, shorter) &&
    a.firstPort <= b.lastPort &&
    b.firstPort <= a.lastPort
  );
}

/** Returns whether two rules are equal. */
export function isSameRule(a: MarkRule, b: MarkRule): boolean {
  return a.mark === b.mark && markMatchName(a.match) === markMatchName(b.match);
}
