/** Reads the lines of ldirectord that name hosts: virtual, real and fallback. */

import {
  type Family,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  MAX_THRESHOLD,
  MAX_WEIGHT,
  parseIp,
  parseVip,
  type Protocol,
} from '../../model/index.js';
import type { Setting } from './lines.js';
import { addressOf, type Lookups, portOf } from './lookups.js';
import type { Report } from './report.js';
import type { Value } from './settings.js';

/** What a section balances, as far as its first line says. */
export type Place =
  | { readonly kind: 'address'; readonly host: string; readonly port: string; readonly family: Family }
  | { readonly kind: 'mark'; readonly mark: number; readonly family: Family };

/** A host that a check asks in place of the real server: "http://…" as its request. */
export interface OtherTarget {
  readonly address: IpAddress;
  readonly port: number;
  readonly path: string;
}

/** A line "real = …", of which a range makes several. */
export interface RealServer {
  readonly line: number;
  readonly address: IpAddress;
  /** 0: the line names none. */
  readonly port: number;
  readonly weight: number;
  readonly request?: string | undefined;
  readonly receive?: string | undefined;
  readonly other?: OtherTarget | undefined;
  readonly lowerThreshold?: number | undefined;
  readonly upperThreshold?: number | undefined;
}

/** More real servers of one range are no range that somebody meant. */
const MOST_OF_A_RANGE = 4096;

/** Returns why a first line cannot be read, in words. */
export function readPlace({ key, value }: Setting): Place | string {
  const family: Family = key === 'virtual6' ? 6 : 4;
  const [, host, port] =
    /^(\[[0-9A-Fa-f:.]+\]|\d+\.\d+\.\d+\.\d+|[0-9A-Za-z._+-]+):([0-9A-Za-z_-]+)(?:\s.*)?$/.exec(value) ?? [];
  if (host !== undefined && port !== undefined) {
    return host.startsWith('[') && family === 4
      ? 'an IPv6 address needs virtual6, which ldirectord demands as well'
      : { kind: 'address', host, port, family };
  }
  const [, digits] = /^(\d+)(?:\s.*)?$/.exec(value) ?? [];
  if (digits === undefined) {
    return `"${value}" is neither ADDRESS:PORT, [IPv6]:PORT nor the number of a mark`;
  }
  return Number(digits) >= 1 && Number(digits) <= 0xffff_ffff
    ? { kind: 'mark', mark: Number(digits), family }
    : `the mark ${digits} is not from 1 to 4294967295`;
}

/** Returns the VIP and port of a place, or why there is none. */
export async function resolvePlace(
  { host, port, family }: Extract<Place, { kind: 'address' }>,
  protocol: Protocol,
  lookups: Lookups,
): Promise<{ readonly address: IpAddress; readonly port: number } | string> {
  const number = portOf(port, [protocol], lookups);
  const address = parseVip(host) ?? (await addressOf(host, family, lookups));
  if (address === undefined) {
    return `there is no IPv${family} address of ${host}`;
  }
  return number === undefined ? `there is no port ${port} of ${protocol}` : { address, port: number };
}

/** The pattern of ldirectord, but that it must begin where the value does. */
const REAL =
  /^(\d+\.\d+\.\d+\.\d+|[A-Za-z0-9.-]+?|\[[0-9A-Fa-f:]+\])(?:->(\d+\.\d+\.\d+\.\d+|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]))?(?::([A-Za-z0-9_-]+))?(?:\s+(.*))?$/;

/** Reads a line "real = …". Returns none if nothing of it can be kept, and says why. */
export async function readReal(
  { line, key, value }: Setting,
  family: Family,
  lookups: Lookups,
  report: Report,
): Promise<RealServer[]> {
  const drop = (why: string): RealServer[] => {
    report.dropped(line, why);
    return [];
  };
  if ((key === 'real6') !== (family === 6)) {
    return drop(`ldirectord wants ${family === 6 ? 'real6' : 'real'} in a section of IPv${family}`);
  }
  const [, first, last, portText = '0', flags = ''] = REAL.exec(value) ?? [];
  if (first === undefined) {
    return drop(`"${value}" is not ADDRESS[->ADDRESS][:PORT] gate [WEIGHT]`);
  }
  const rest = await readFlags(flags, family, lookups);
  if (typeof rest === 'string') {
    return drop(rest);
  }
  const port = portOf(portText, ['tcp', 'udp'], lookups);
  if (port === undefined) {
    return drop(`there is no port ${portText}`);
  }
  const addresses = await readRange(first, last, family, lookups);
  return typeof addresses === 'string'
    ? drop(addresses)
    : addresses.map((address) => ({ line, address, port, ...rest }));
}

async function readRange(
  first: string,
  last: string | undefined,
  family: Family,
  lookups: Lookups,
): Promise<IpAddress[] | string> {
  const from = await addressOf(first, family, lookups);
  const to = last === undefined ? from : await addressOf(last, family, lookups);
  if (from === undefined || to === undefined) {
    return `there is no IPv${family} address of ${from === undefined ? first : String(last)}`;
  }
  if (last === undefined) {
    return [from];
  }
  if (family === 6) {
    return 'ldirectord has no ranges of IPv6 addresses: name each in a line of its own';
  }
  const [low, high] = [numberOf(from), numberOf(to)];
  if (low > high) {
    return `the range ${from} to ${to} ends before it begins`;
  }
  return high - low < MOST_OF_A_RANGE
    ? Array.from({ length: high - low + 1 }, (_, i) => addressOfNumber(low + i))
    : `the range ${from} to ${to} has ${high - low + 1} addresses, more than ${MOST_OF_A_RANGE}`;
}

function numberOf(address: IpAddress): number {
  return ipBytes(address).reduce((sum, byte) => sum * 256 + byte, 0);
}

function addressOfNumber(number: number): IpAddress {
  return ipFromBytes(Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number));
}

type Flags = Omit<RealServer, 'line' | 'address' | 'port'>;

const NOT_OURS: Readonly<Record<string, string>> = {
  masq: 'Beeline does not masquerade (NAT): it forwards by direct routing alone ("gate"), for which the real server has the VIP',
  ipip: 'Beeline does not tunnel: it forwards by direct routing alone ("gate"), for which the real server is on its network',
};

/** Reads what follows the address: gate [WEIGHT] ["REQUEST", "RECEIVE"] [l:N] [u:N], as add_real_server() of ldirectord does. */
async function readFlags(flags: string, family: Family, lookups: Lookups): Promise<Flags | string> {
  const [, method = '', afterMethod = ''] = /^(\w+)(.*)$/.exec(flags) ?? [];
  const notOurs = Object.hasOwn(NOT_OURS, method) ? NOT_OURS[method] : undefined;
  if (notOurs !== undefined) {
    return notOurs;
  }
  if (method !== 'gate') {
    return `after the address ldirectord demands gate, masq or ipip${method === '' ? '' : `, not ${method}`}`;
  }
  const [, weightText = '1', afterWeight = afterMethod] = /^\s+(\d+)(.*)$/.exec(afterMethod) ?? [];
  const texts = /^\s+"(.*)"[, ]\s*"(.*)"(.*)$/.exec(afterWeight);
  const [, request, receive, afterTexts = afterWeight] = texts ?? [];
  const [, lower, afterLower = afterTexts] = /^\s+l:(\d+)(.*)$/.exec(afterTexts) ?? [];
  const [, upper, tail = afterLower] = /^\s+u:(\d+)(.*)$/.exec(afterLower) ?? [];
  if (tail.trim() !== '') {
    return `ldirectord refuses "${tail.trim()}": after ${method} come WEIGHT "REQUEST", "RECEIVE" l:NUMBER u:NUMBER`;
  }
  const weight = Number(weightText);
  if (weight > MAX_WEIGHT || Number(lower) > MAX_THRESHOLD || Number(upper) > MAX_THRESHOLD) {
    return `a weight or threshold is above ${MAX_WEIGHT}`;
  }
  return {
    weight,
    request,
    receive,
    other: request === undefined ? undefined : await otherTarget(request, family, lookups),
    lowerThreshold: lower === undefined ? undefined : Number(lower) || undefined,
    upperThreshold: upper === undefined ? undefined : Number(upper) || undefined,
  };
}

async function otherTarget(request: string, family: Family, lookups: Lookups): Promise<OtherTarget | undefined> {
  if (!/^\/?https?:\/\//.test(request) || !URL.canParse(request.replace(/^\//, ''))) {
    return undefined;
  }
  const { protocol, hostname, port, pathname, search } = new URL(request.replace(/^\//, ''));
  const address = await addressOf(hostname, family, lookups);
  const usual = protocol === 'https:' ? 443 : 80;
  return address && { address, port: port === '' ? usual : Number(port), path: `${pathname}${search}` };
}

/** A host that takes new flows while no real server is up. */
export interface Fallback {
  readonly address: IpAddress;
  /** Undefined: the service's. */
  readonly port: number | undefined;
}

/** Reads "fallback = HOST[:PORT] [gate]". Returns undefined if it cannot be kept, and says why. */
export async function readFallback(
  { line, text }: Value,
  family: Family,
  lookups: Lookups,
  report: Report,
): Promise<Fallback | undefined> {
  const [, target = '', method = 'gate'] = /^(\S+)(?:\s+(\S+))?$/.exec(text) ?? [];
  const [, host = '', portText] = /^(\[[^\]]*\]|[^:]*)(?::([A-Za-z0-9_-]+))?$/.exec(target) ?? [];
  const address = host === '' ? undefined : ((await addressOf(host, family, lookups)) ?? undefined);
  if (address === undefined || parseIp(address) === undefined) {
    report.dropped(line, `there is no IPv${family} address of "${text}"`);
    return undefined;
  }
  if (method !== 'gate') {
    report.dropped(line, NOT_OURS[method] ?? `ldirectord wants gate, masq or ipip, not ${method}`);
    return undefined;
  }
  const port = portText === undefined ? undefined : portOf(portText, ['tcp', 'udp'], lookups);
  if (portText !== undefined && port === undefined) {
    report.dropped(line, `there is no port ${portText}`);
    return undefined;
  }
  return { address, port };
}
