/** Reads the values of ipvsadm's options: endpoints, marks, timeouts, masks and flags. Only names of hosts need a look-up. */

import { type Family, type IpAddress, MAX_MARK, MAX_TIMEOUT } from '../model/index.js';
import { inetAton, inetPton6, leadingNumber, wholeNumber } from './address.js';
import { usage } from './errors.js';
import type { Names, ProtocolName } from './names.js';

const MAX_PORT = 0xffff;

/** @param what the option's name in ipvsadm's message @throws Failure */
export function parseNumber(text: string, low: number, high: number, what: string): number {
  const value = wholeNumber(text, low, high);
  if (value === undefined) {
    throw usage(`illegal ${what} specified`);
  }
  return value;
}

/**
 * "192.168.1.100:80", "www.example.org:http", "[fd00::100]:80", and "fd00::100" without a port (ipvsadm.c,
 * parse_service). Undefined for anything else.
 */
export async function parseEndpoint(
  text: string,
  protocol: ProtocolName,
  names: Names,
): Promise<{ address: IpAddress; port: number | undefined } | undefined> {
  if (/^[0-9]*$/.test(text)) {
    return undefined;
  }
  let host = text;
  let port: string | undefined;
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    if (end < 0 || text[end + 1] !== ':') {
      return undefined;
    }
    host = text.slice(1, end);
    port = text.slice(end + 2);
  }
  let address = inetPton6(host);
  if (address === undefined) {
    const colon = host.lastIndexOf(':');
    port = colon < 0 ? undefined : host.slice(colon + 1);
    host = colon < 0 ? host : host.slice(0, colon);
    address = inetAton(host) ?? (host === '' ? undefined : await names.addressOf(host));
  }
  if (address === undefined) {
    return undefined;
  }
  if (port === undefined) {
    return { address, port };
  }
  const number = wholeNumber(port, 0, MAX_PORT) ?? names.portOf(port, protocol);
  return number === undefined ? undefined : { address, port: number };
}

export function parseMark(text: string): number {
  const mark = wholeNumber(text, 1, MAX_MARK);
  if (mark === undefined) {
    throw usage(`invalid fwmark value \`${text}' specified`);
  }
  return mark;
}

export function parseTimeout(text: string, low: number): number {
  const timeout = wholeNumber(text, low, MAX_TIMEOUT);
  if (timeout === undefined) {
    throw usage(`invalid timeout value \`${text}' specified`);
  }
  return timeout;
}

export async function parseMask(text: string, family: Family, names: Names): Promise<IpAddress | number> {
  if (family === 6) {
    const length = leadingNumber(text);
    if (length < 1 || length > 128) {
      throw usage('illegal ipv6 netmask specified');
    }
    return length;
  }
  const mask = inetAton(text) ?? (text === '' ? undefined : await names.addressOf(text));
  if (mask === undefined) {
    throw usage('illegal virtual server persistent mask specified');
  }
  return mask;
}

/** The multicast group of the synchronisation daemon. @throws Failure */
export function checkMulticastGroup(text: string): void {
  const family = text.includes(':') ? 6 : 4;
  const address = family === 6 ? inetPton6(text) : /^[0-9.]+$/.test(text) ? inetAton(text) : undefined;
  const [first = 0] =
    address === undefined ? [] : family === 6 ? [parseInt(address, 16) >> 8] : address.split('.').map(Number);
  if (family === 6 ? first !== 0xff : first < 224 || first > 239) {
    throw usage(`invalid IPv${family} mcast-group \`${text}'`);
  }
}

/** The three flags, and the names that sh and mh have for the first two. */
const FLAGS = ['flag-1', 'flag-2', 'flag-3'] as const;
const FLAG_NAMES: Readonly<Record<string, readonly string[]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
};

/** "sh-port,sh-fallback" or "flag-1": the flags in the order of listings, by their names with sh and mh. */
export function parseSchedulerFlags(text: string, scheduler: string): string[] {
  const bits = new Set<number>();
  for (const flag of text.split(',')) {
    if (flag === '' && text !== ',') {
      continue;
    }
    const bit = (FLAGS as readonly string[]).indexOf(flag);
    const [owner, known] = Object.entries(FLAG_NAMES).find(([, each]) => each.includes(flag)) ?? [];
    if (bit < 0 && known === undefined) {
      throw usage(`invalid scheduler flag \`${flag}'`);
    }
    if (bit < 0 && owner !== scheduler) {
      throw usage(`incompatible scheduler flag \`${flag}'`);
    }
    bits.add(bit < 0 ? known!.indexOf(flag) : bit);
  }
  const shown = FLAG_NAMES[scheduler];
  return FLAGS.map((flag, bit) => (bits.has(bit) ? (shown === undefined ? flag : shown[bit]) : undefined)).filter(
    (flag) => flag !== undefined,
  );
}
