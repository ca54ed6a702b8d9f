/** Parses addresses and numbers as the C library does for ipvsadm: `inet_aton`, `strtol`, `atoi`. Pure. */

import { type IpAddress, ipFromBytes, parseIpv6 } from '../model/index.js';

/**
 * inet_aton(3): one to four parts, decimal, octal or hexadecimal. The last part fills the remaining bytes; text after
 * white space is ignored. Undefined for other text.
 */
export function inetAton(text: string): IpAddress | undefined {
  const [word = ''] = text.split(/[ \t\n\v\f\r]/, 1);
  const parts = word.split('.').map(cNumber);
  const last = parts.pop();
  const limit = 256 ** (4 - parts.length);
  if (
    parts.length > 3 ||
    last === undefined ||
    last >= limit ||
    parts.some((part) => part === undefined || part > 255)
  ) {
    return undefined;
  }
  const value = parts.reduce<number>((sum, part, i) => sum + part! * 256 ** (3 - i), last);
  return ipFromBytes(Uint8Array.from([24, 16, 8, 0], (shift) => Math.floor(value / 2 ** shift) % 256));
}

/** 10, 012, 0xa */
function cNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]+$/i.test(text)) {
    return parseInt(text.slice(2), 16);
  }
  if (/^0[0-7]*$/.test(text)) {
    return parseInt(text, 8);
  }
  return /^[1-9][0-9]*$/.test(text) ? Number(text) : undefined;
}

/** inet_pton(3) for IPv6, without zones. The result is spelled as in RFC 5952. */
export function inetPton6(text: string): IpAddress | undefined {
  return parseIpv6(text);
}

/** strtol(3) of the whole text in base 10, with leading white space and sign. Undefined outside the limits. */
export function wholeNumber(text: string, low: number, high: number): number | undefined {
  const value = /^[ \t\n\v\f\r]*[+-]?[0-9]+$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value + 0 : undefined;
}

/** atoi(3): the leading digits. */
export function leadingNumber(text: string): number {
  return Number(/^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1] ?? 0);
}
