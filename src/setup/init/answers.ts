/** The answers that make a first configuration: what each may be, and what is said of one that it cannot be. Pure. */

import {
  BeelineError,
  type Family,
  familyOf,
  type IpAddress,
  MAX_TIMEOUT,
  MAX_WEIGHT,
  parseIp,
  type Protocol,
  type Scheduler,
  SCHEDULERS,
  unusableAddress,
} from '../../model/index.js';
import { parseVirtual } from '../../steps/index.js';

export interface RealServer {
  readonly address: IpAddress;
  readonly weight: number;
}

/** A second director, which takes the VIPs over. */
export interface SecondDirector {
  readonly address: IpAddress;
  /** The virtual router id of VRRP. */
  readonly id: number;
}

export interface Answers {
  readonly interface: string;
  readonly mode: 'native' | 'generic';
  readonly vips: readonly IpAddress[];
  readonly protocol: Protocol;
  readonly ports: readonly number[];
  readonly scheduler: Scheduler;
  readonly realServers: readonly RealServer[];
  /** Seconds; 0: none. */
  readonly persistence: number;
  readonly check: Check;
  readonly second?: SecondDirector | undefined;
}

/** The checks that need nothing but their name, by the protocol of the service. */
export const CHECKS = {
  tcp: ['none', 'tcp', 'http', 'https', 'tls', 'smtp', 'ping'],
  udp: ['none', 'ping'],
} as const satisfies Record<Protocol, readonly string[]>;

/** "none", the name of a check, or "dns:NAME". */
export type Check = (typeof CHECKS)[Protocol][number] | `dns:${string}`;

function mistake(sentence: string): BeelineError {
  return new BeelineError('USAGE', sentence);
}

function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

/** @throws BeelineError `USAGE` as all parsers here: its message is a sentence without its end */
export function parseVips(text: string): IpAddress[] {
  const vips = [...new Set(wordsOf(text).map(parseVirtual))];
  if (vips.length === 0) {
    throw mistake('at least one VIP is needed, for example 192.168.1.100');
  }
  return vips;
}

export function parseProtocol(text: string): Protocol {
  const word = text.trim().toLowerCase();
  if (word !== 'tcp' && word !== 'udp') {
    throw mistake(`"${text.trim()}" is neither tcp nor udp`);
  }
  return word;
}

const MOST_PORTS = 64;

export function parsePorts(text: string): number[] {
  const ports = [...new Set(wordsOf(text).map(parsePort))];
  if (ports.length === 0) {
    throw mistake('at least one port is needed, for example 80 443');
  }
  if (ports.length > MOST_PORTS) {
    throw mistake(`more than ${MOST_PORTS} ports are for an editor: begin with one`);
  }
  return ports;
}

function parsePort(word: string): number {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : 0;
  if (port < 1 || port > 65_535) {
    throw mistake(`"${word}" is no port: it must be a number from 1 to 65535`);
  }
  return port;
}

export function parseScheduler(text: string): Scheduler {
  const word = text.trim().toLowerCase();
  const found = SCHEDULERS.find((each) => each === word);
  if (found === undefined) {
    throw mistake(`"${text.trim()}" is no scheduler: there are ${SCHEDULERS.join(', ')}`);
  }
  return found;
}

/** What real servers must fit. */
export type Vips = Pick<Answers, 'vips'>;

/** Parses "192.168.1.31 192.168.1.32=3": addresses, with weights other than 1. */
export function parseRealServers(text: string, { vips }: Vips): RealServer[] {
  const servers = wordsOf(text).map((word) => parseRealServer(word, vips));
  const twice = servers.find(({ address }, i) => servers.findIndex((each) => each.address === address) < i);
  if (twice !== undefined) {
    throw mistake(`${twice.address} is there twice`);
  }
  const lacking = familiesOf(vips).find((family) => !servers.some(({ address }) => familyOf(address) === family));
  if (lacking !== undefined) {
    const vip = vips.find((each) => familyOf(each) === lacking)!;
    throw mistake(`${vip} needs at least one real server with an IPv${lacking} address`);
  }
  return servers;
}

function parseRealServer(word: string, vips: readonly IpAddress[]): RealServer {
  const [host = '', given, ...rest] = word.split('=');
  const address = parseIp(host);
  const weight = given === undefined ? 1 : /^\d{1,10}$/.test(given) ? Number(given) : NaN;
  if (address === undefined) {
    throw mistake(`"${host}" is no address of a real server: write 192.168.1.31, or 192.168.1.31=3 for the weight 3`);
  }
  if (rest.length > 0 || !(weight <= MAX_WEIGHT)) {
    throw mistake(`"${word}" has no weight from 0 to ${MAX_WEIGHT} after the "="`);
  }
  if (vips.includes(address)) {
    throw mistake(`${address} is a VIP: a real server is named by its own address`);
  }
  const why = unusableAddress(address);
  if (why !== undefined) {
    throw mistake(`${address} cannot be a real server: ${why.slice(address.length + 1)}`);
  }
  if (!familiesOf(vips).includes(familyOf(address))) {
    throw mistake(`${address} serves no VIP: there is none of IPv${familyOf(address)}`);
  }
  return { address, weight };
}

export function familiesOf(addresses: readonly IpAddress[]): Family[] {
  return ([4, 6] as const).filter((family) => addresses.some((each) => familyOf(each) === family));
}

export function parsePersistence(text: string): number {
  const word = text.trim().toLowerCase();
  const seconds = word === 'none' ? 0 : /^\d{1,10}$/.test(word) ? Number(word) : NaN;
  if (!(seconds <= MAX_TIMEOUT)) {
    throw mistake(`"${text.trim()}" is no number of seconds from 0 (none) to ${MAX_TIMEOUT}`);
  }
  return seconds;
}

/** A name of the domain name system, as a question has it. */
const DOMAIN =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;

export function parseCheck(text: string, { protocol }: Pick<Answers, 'protocol'>): Check {
  const word = text.trim();
  const [kind = '', ...names] = word.split(':');
  if (kind.toLowerCase() === 'dns') {
    const name = names.join(':');
    if (!DOMAIN.test(name)) {
      throw mistake('a check by DNS asks for a name: write dns:www.example.com');
    }
    return `dns:${name}`;
  }
  const found = CHECKS[protocol].find((each) => each === word.toLowerCase());
  if (found === undefined) {
    throw mistake(`"${word}" is no check of ${protocol}: there are ${CHECKS[protocol].join(', ')} and dns:NAME`);
  }
  return found;
}

export function parseSecond(
  text: string,
  { vips, realServers }: Pick<Answers, 'vips' | 'realServers'>,
): IpAddress | undefined {
  const word = text.trim();
  if (word === '' || word.toLowerCase() === 'none') {
    return undefined;
  }
  const address = parseIp(word);
  if (address === undefined || unusableAddress(address) !== undefined) {
    throw mistake(`"${word}" is no address of a director: write its own address, or none`);
  }
  if (vips.includes(address) || realServers.some((each) => each.address === address)) {
    throw mistake(
      `${address} is ${vips.includes(address) ? 'a VIP' : 'a real server'}: a director has its own address`,
    );
  }
  return address;
}

export function parseRouterId(text: string): number {
  const id = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0;
  if (id < 1 || id > 255) {
    throw mistake(`"${text.trim()}" is no virtual router id: it must be a number from 1 to 255`);
  }
  return id;
}
