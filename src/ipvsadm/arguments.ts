/**
 * From a command line to a command, with ipvsadm 1.31's own checks in ipvsadm's own order, and its words for what is wrong
 * (ipvsadm.c: parse_options, process_options). Knows nothing of the director.
 */

import {
  type Family,
  familyOf,
  type IpAddress,
  MAX_MARK,
  MAX_THRESHOLD,
  MAX_TIMEOUT,
  MAX_WEIGHT,
} from '../model/index.js';
import { inetAton, inetPton6, leadingNumber, wholeNumber } from './address.js';
import { ExitStatus, Failure, tryHelp, usage } from './errors.js';
import type { Names, ProtocolName } from './names.js';
import { type Option, OptionReader } from './popt.js';

/** A service as a command line names it: an address, or a mark. */
export type ServiceArgument =
  | { readonly protocol: ProtocolName; readonly address: IpAddress; readonly port: number }
  | { readonly mark: number; readonly family: Family };

export interface PolicyArgument {
  /** Any name: which there are is the director's to say. */
  readonly scheduler: string;
  /** In the order in which listings have them. */
  readonly flags: readonly string[];
  readonly persistence: { readonly timeout: number; readonly mask: IpAddress | number | undefined } | undefined;
  readonly onePacket: boolean;
  readonly engine: string | undefined;
}

export interface DestinationArgument {
  readonly address: IpAddress;
  /** As given, or the service's where that was said before. */
  readonly port: number;
  readonly forwarding: 'route' | 'tunnel' | 'masq';
  readonly weight: number;
  /** 0: none. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
}

/** How listings look. */
export interface Format {
  readonly numeric: boolean;
  readonly exact: boolean;
  readonly sorted: boolean;
  readonly columns: 'default' | 'stats' | 'rate' | 'thresholds' | 'persistent-conn' | 'tun-info';
}

export type Command =
  | { readonly kind: 'help' | 'version' | 'flush' | 'start-daemon' | 'stop-daemon' }
  | { readonly kind: 'restore' }
  | { readonly kind: 'list'; readonly service: ServiceArgument | undefined; readonly format: Format }
  | { readonly kind: 'list-connections'; readonly numeric: boolean; readonly engines: boolean }
  | { readonly kind: 'list-timeouts' | 'list-daemons' }
  | { readonly kind: 'save'; readonly numeric: boolean }
  | { readonly kind: 'zero'; readonly service: ServiceArgument | undefined }
  | { readonly kind: 'delete-service'; readonly service: ServiceArgument }
  | {
      readonly kind: 'add-service' | 'edit-service';
      readonly service: ServiceArgument;
      readonly policy: PolicyArgument;
    }
  | {
      readonly kind: 'add-server' | 'edit-server' | 'delete-server';
      readonly service: ServiceArgument;
      readonly destination: DestinationArgument;
    }
  /** 0: as it is. */
  | { readonly kind: 'set'; readonly tcp: number; readonly tcpFin: number; readonly udp: number };

/** What ipvsadm calls its commands in messages. */
const COMMANDS = [
  'add-service',
  'edit-service',
  'delete-service',
  'flush',
  'list',
  'add-server',
  'delete-server',
  'edit-server',
  'set',
  'start-daemon',
  'stop-daemon',
  'restore',
  'save',
  'zero',
] as const;
type CommandName = (typeof COMMANDS)[number];

/** What ipvsadm calls its options in messages, in the order in which it checks them. */
const OPTIONS = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
] as const;
type OptionName = (typeof OPTIONS)[number];

/** Must be, may be, may be but for another of the same kind. */
type Legality = '+' | ' ' | '1';

const POLICY_OPTIONS = {
  'service-address': '+',
  scheduler: ' ',
  persistent: ' ',
  netmask: ' ',
  ops: ' ',
  pe: ' ',
  'sched-flags': ' ',
} as const;
const SERVER_OPTIONS = {
  'service-address': '+',
  'real-server': '+',
  'forwarding-method': ' ',
  weight: ' ',
  'u-threshold': ' ',
  'l-threshold': ' ',
  'tun-type': ' ',
  'tun-port': ' ',
  'tun-nocsum': ' ',
  'tun-csum': ' ',
  'tun-remcsum': ' ',
} as const;

/** Which options go with which command (ipvsadm.c, commands_v_options); all others do not. */
const LEGAL: Readonly<Record<CommandName, Partial<Record<OptionName, Legality>>>> = {
  'add-service': POLICY_OPTIONS,
  'edit-service': POLICY_OPTIONS,
  'delete-service': { 'service-address': '+' },
  flush: {},
  list: {
    numeric: ' ',
    connection: '1',
    'service-address': '1',
    timeout: '1',
    daemon: '1',
    stats: ' ',
    rate: ' ',
    thresholds: ' ',
    'persistent-conn': ' ',
    nosort: ' ',
    exact: ' ',
    'tun-info': ' ',
  },
  'add-server': SERVER_OPTIONS,
  'edit-server': SERVER_OPTIONS,
  'delete-server': { 'service-address': '+', 'real-server': '+' },
  set: {},
  'start-daemon': {
    'mcast-interface': ' ',
    syncid: ' ',
    'sync-maxlen': ' ',
    'mcast-group': ' ',
    'mcast-port': ' ',
    'mcast-ttl': ' ',
  },
  'stop-daemon': { syncid: ' ' },
  restore: {},
  save: { numeric: ' ' },
  zero: { 'service-address': ' ' },
};

/** The words on a command line; those that ipvsadm has one name for in messages have their own here. */
type Word =
  | CommandName
  | Exclude<OptionName, 'service-address' | 'forwarding-method'>
  | ('help' | 'version')
  | ('tcp-service' | 'udp-service' | 'sctp-service' | 'fwmark-service')
  | ('masquerading' | 'ipip' | 'gatewaying')
  | ('sort' | 'ipv6');

const required = { argument: 'required' } as const;

const WORDS: readonly Option<Word>[] = [
  { name: 'add-service', long: 'add-service', short: 'A' },
  { name: 'edit-service', long: 'edit-service', short: 'E' },
  { name: 'delete-service', long: 'delete-service', short: 'D' },
  { name: 'flush', long: 'clear', short: 'C' },
  { name: 'list', long: 'list', short: 'L' },
  { name: 'list', long: 'list', short: 'l' },
  { name: 'zero', long: 'zero', short: 'Z' },
  { name: 'add-server', long: 'add-server', short: 'a' },
  { name: 'edit-server', long: 'edit-server', short: 'e' },
  { name: 'delete-server', long: 'delete-server', short: 'd' },
  { name: 'set', long: 'set' },
  { name: 'help', long: 'help', short: 'h' },
  { name: 'version', long: 'version', short: 'v' },
  { name: 'restore', long: 'restore', short: 'R' },
  { name: 'save', long: 'save', short: 'S' },
  { name: 'start-daemon', long: 'start-daemon', ...required },
  { name: 'stop-daemon', long: 'stop-daemon', ...required },
  { name: 'tcp-service', long: 'tcp-service', short: 't', ...required },
  { name: 'udp-service', long: 'udp-service', short: 'u', ...required },
  { name: 'sctp-service', long: 'sctp-service', ...required },
  { name: 'fwmark-service', long: 'fwmark-service', short: 'f', ...required },
  { name: 'scheduler', long: 'scheduler', short: 's', ...required },
  { name: 'persistent', long: 'persistent', short: 'p', argument: 'optional' },
  { name: 'netmask', long: 'netmask', short: 'M', ...required },
  { name: 'real-server', long: 'real-server', short: 'r', ...required },
  { name: 'masquerading', long: 'masquerading', short: 'm' },
  { name: 'ipip', long: 'ipip', short: 'i' },
  { name: 'gatewaying', long: 'gatewaying', short: 'g' },
  { name: 'weight', long: 'weight', short: 'w', ...required },
  { name: 'u-threshold', long: 'u-threshold', short: 'x', ...required },
  { name: 'l-threshold', long: 'l-threshold', short: 'y', ...required },
  { name: 'numeric', long: 'numeric', short: 'n' },
  { name: 'connection', long: 'connection', short: 'c' },
  { name: 'mcast-interface', long: 'mcast-interface', ...required },
  { name: 'syncid', long: 'syncid', ...required },
  { name: 'sync-maxlen', long: 'sync-maxlen', ...required },
  { name: 'mcast-group', long: 'mcast-group', ...required },
  { name: 'mcast-port', long: 'mcast-port', ...required },
  { name: 'mcast-ttl', long: 'mcast-ttl', ...required },
  { name: 'timeout', long: 'timeout' },
  { name: 'daemon', long: 'daemon' },
  { name: 'stats', long: 'stats' },
  { name: 'rate', long: 'rate' },
  { name: 'thresholds', long: 'thresholds' },
  { name: 'persistent-conn', long: 'persistent-conn' },
  { name: 'tun-info', long: 'tun-info' },
  { name: 'nosort', long: 'nosort' },
  { name: 'sort', long: 'sort' },
  { name: 'exact', long: 'exact', short: 'X' },
  { name: 'ipv6', long: 'ipv6', short: '6' },
  { name: 'ops', long: 'ops', short: 'o' },
  { name: 'pe', long: 'pe', ...required },
  { name: 'sched-flags', long: 'sched-flags', short: 'b', ...required },
  { name: 'tun-type', long: 'tun-type', ...required },
  { name: 'tun-port', long: 'tun-port', ...required },
  { name: 'tun-nocsum', long: 'tun-nocsum' },
  { name: 'tun-csum', long: 'tun-csum' },
  { name: 'tun-remcsum', long: 'tun-remcsum' },
];

/** DEF_SCHED, and config's IP_VS_TEMPLATE_TIMEOUT. */
const DEFAULT_SCHEDULER = 'wlc';
const DEFAULT_PERSISTENCE = 360;
/** What stands for "each client for itself". */
const ALL_BITS = '255.255.255.255';
const MAX_PORT = 0xffff;
/** Of a UDP datagram's content. */
const MAX_SYNC_LENGTH = 65_507;

/** What has been read so far; ipvsadm's struct ipvs_command_entry. */
interface Entry {
  protocol: ProtocolName;
  address: IpAddress | undefined;
  port: number;
  mark: number;
  family: Family;
  scheduler: string;
  timeout: number | undefined;
  mask: IpAddress | number;
  onePacket: boolean;
  engine: string | undefined;
  flags: string;
  server: { address: IpAddress; port: number } | undefined;
  forwarding: DestinationArgument['forwarding'];
  weight: number;
  upperThreshold: number;
  lowerThreshold: number;
  tunnel: 'ipip' | 'gue' | 'gre';
}

/**
 * Reads a command line.
 *
 * @param words without the program's name; none: the list, with names
 * @throws Failure
 */
export async function parseArguments(words: readonly string[], names: Names): Promise<Command> {
  if (words.length === 0) {
    return listCommand(new Set(), undefined);
  }
  const reader = new OptionReader(WORDS, words);
  const name = firstOption(reader);
  if (name === 'help' || name === 'version') {
    return { kind: name };
  }

  const given = new Set<OptionName>();
  const entry: Entry = {
    protocol: 'tcp',
    address: undefined,
    port: 0,
    mark: 0,
    family: 4,
    scheduler: '',
    timeout: undefined,
    mask: ALL_BITS,
    onePacket: false,
    engine: undefined,
    flags: '',
    server: undefined,
    forwarding: 'route',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnel: 'ipip',
  };
  for (;;) {
    const read = reader.next();
    if (read.kind === 'error') {
      throw new Failure(`${reader.lastWord}: ${read.error}`, ExitStatus.refused, false);
    }
    if (read.kind === 'end') {
      break;
    }
    await takeOption(entry, given, read.name, read.argument, names, reader.lastWord);
  }

  const timeouts = name === 'set' ? setTimeouts(reader.rest) : undefined;
  const [unexpected] = reader.rest;
  if (unexpected !== undefined) {
    throw usage(`unexpected argument ${unexpected}`);
  }
  const flags = schedulerFlags(entry.flags, entry.scheduler);
  checkOptions(name, given);
  switch (name) {
    case 'add-service':
    case 'edit-service':
      return { kind: name, service: serviceOf(entry), policy: policyOf(entry, flags) };
    case 'delete-service':
      return { kind: name, service: serviceOf(entry) };
    case 'add-server':
    case 'edit-server':
    case 'delete-server':
      return { kind: name, service: serviceOf(entry), destination: destinationOf(name, entry, given) };
    case 'zero':
      return { kind: name, service: given.has('service-address') ? serviceOf(entry) : undefined };
    case 'save':
      return { kind: name, numeric: given.has('numeric') };
    case 'set':
      return { kind: name, ...timeouts! };
    case 'list':
      return listCommand(given, given.has('service-address') ? serviceOf(entry) : undefined);
    case 'flush':
    case 'restore':
    case 'start-daemon':
    case 'stop-daemon':
      return { kind: name };
  }
}

/** The first option must be a command. */
function firstOption(reader: OptionReader<Word>): CommandName | 'help' | 'version' {
  const read = reader.next();
  if (read.kind !== 'option') {
    throw tryHelp();
  }
  const { name, argument } = read;
  if (name === 'help' || name === 'version') {
    return name;
  }
  const command = COMMANDS.find((each) => each === name);
  if (command === undefined) {
    throw tryHelp();
  }
  if (command === 'start-daemon' || command === 'stop-daemon') {
    if (argument !== 'master' && argument !== 'backup') {
      throw usage(
        command === 'start-daemon' ? 'illegal start-daemon parameter specified' : 'illegal start_daemon specified',
      );
    }
  }
  return command;
}

/** Reads one option into the entry. */
async function takeOption(
  entry: Entry,
  given: Set<OptionName>,
  word: Word,
  argument: string | undefined,
  names: Names,
  lastWord: string,
): Promise<void> {
  const set = (option: OptionName): void => {
    if (given.has(option)) {
      throw usage(`multiple '${option}' options specified`);
    }
    given.add(option);
  };
  const text = argument ?? '';
  const numberIn = (low: number, high: number, what: string): number => {
    const value = wholeNumber(text, low, high);
    if (value === undefined) {
      throw usage(`illegal ${what} specified`);
    }
    return value;
  };
  switch (word) {
    case 'tcp-service':
    case 'udp-service':
    case 'sctp-service': {
      set('service-address');
      entry.protocol = word === 'udp-service' ? 'udp' : word === 'sctp-service' ? 'sctp' : 'tcp';
      const endpoint = await parseEndpoint(text, entry.protocol, names);
      if (endpoint === undefined) {
        throw usage('illegal virtual server address[:port] specified');
      }
      entry.address = endpoint.address;
      entry.port = endpoint.port ?? 0;
      entry.family = familyOf(endpoint.address);
      if (entry.family === 6) {
        entry.mask = 128;
      }
      return;
    }
    case 'fwmark-service':
      set('service-address');
      entry.family = 4;
      entry.mark = markOf(text);
      return;
    case 'ipv6':
      if (entry.mark === 0) {
        throw usage('-6 used before -f\n');
      }
      entry.family = 6;
      entry.mask = 128;
      return;
    case 'scheduler':
      set(word);
      entry.scheduler = text;
      return;
    case 'persistent':
      set(word);
      entry.timeout = argument === undefined ? DEFAULT_PERSISTENCE : timeoutOf(argument, 1);
      return;
    case 'netmask':
      set(word);
      entry.mask = await maskOf(text, entry.family, names);
      return;
    case 'real-server': {
      set(word);
      const endpoint = await parseEndpoint(text, entry.protocol, names);
      if (endpoint === undefined) {
        throw usage('illegal real server address[:port] specified');
      }
      entry.server = { address: endpoint.address, port: endpoint.port ?? entry.port };
      return;
    }
    case 'gatewaying':
    case 'ipip':
    case 'masquerading':
      set('forwarding-method');
      entry.forwarding = word === 'gatewaying' ? 'route' : word === 'ipip' ? 'tunnel' : 'masq';
      return;
    case 'weight':
      set(word);
      entry.weight = numberIn(0, MAX_WEIGHT, 'weight');
      return;
    case 'u-threshold':
      set(word);
      entry.upperThreshold = numberIn(0, MAX_THRESHOLD, 'u_threshold');
      return;
    case 'l-threshold':
      set(word);
      entry.lowerThreshold = numberIn(0, MAX_THRESHOLD, 'l_threshold');
      return;
    case 'ops':
      set(word);
      entry.onePacket = true;
      return;
    case 'pe':
      set(word);
      entry.engine = text;
      return;
    case 'sched-flags':
      set(word);
      entry.flags = text;
      return;
    case 'syncid':
      set(word);
      numberIn(0, 255, word);
      return;
    case 'sync-maxlen':
      set(word);
      numberIn(1, MAX_SYNC_LENGTH, word);
      return;
    case 'mcast-port':
      set(word);
      numberIn(1, MAX_PORT, word);
      return;
    case 'mcast-ttl':
      set(word);
      numberIn(1, 255, word);
      return;
    case 'mcast-group':
      set(word);
      checkGroup(text);
      return;
    case 'tun-type':
      set(word);
      if (text !== 'ipip' && text !== 'gue' && text !== 'gre') {
        throw usage('illegal tunnel type specified');
      }
      entry.tunnel = text;
      return;
    case 'tun-port':
      set(word);
      numberIn(1, MAX_PORT, 'tunnel port');
      return;
    case 'numeric':
    case 'connection':
    case 'mcast-interface':
    case 'timeout':
    case 'daemon':
    case 'stats':
    case 'rate':
    case 'thresholds':
    case 'persistent-conn':
    case 'nosort':
    case 'exact':
    case 'tun-info':
    case 'tun-nocsum':
    case 'tun-csum':
    case 'tun-remcsum':
      set(word);
      return;
    case 'sort':
      return;
    case 'help':
    case 'version':
    case 'add-service':
    case 'edit-service':
    case 'delete-service':
    case 'flush':
    case 'list':
    case 'add-server':
    case 'delete-server':
    case 'edit-server':
    case 'set':
    case 'start-daemon':
    case 'stop-daemon':
    case 'restore':
    case 'save':
    case 'zero':
      throw usage(`invalid option \`${lastWord}'`);
  }
}

/**
 * "192.168.1.100:80", "www.example.org:http", "[fd00::100]:80", and "fd00::100" without a port (ipvsadm.c,
 * parse_service). Undefined when it is none.
 */
async function parseEndpoint(
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

function markOf(text: string): number {
  const mark = wholeNumber(text, 1, MAX_MARK);
  if (mark === undefined) {
    throw usage(`invalid fwmark value \`${text}' specified`);
  }
  return mark;
}

function timeoutOf(text: string, low: number): number {
  const timeout = wholeNumber(text, low, MAX_TIMEOUT);
  if (timeout === undefined) {
    throw usage(`invalid timeout value \`${text}' specified`);
  }
  return timeout;
}

async function maskOf(text: string, family: Family, names: Names): Promise<IpAddress | number> {
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

/** A group of the synchronisation daemon's. */
function checkGroup(text: string): void {
  const family = text.includes(':') ? 6 : 4;
  const address = family === 6 ? inetPton6(text) : /^[0-9.]+$/.test(text) ? inetAton(text) : undefined;
  const [first = 0] =
    address === undefined ? [] : family === 6 ? [parseInt(address, 16) >> 8] : address.split('.').map(Number);
  if (family === 6 ? first !== 0xff : first < 224 || first > 239) {
    throw usage(`invalid IPv${family} mcast-group \`${text}'`);
  }
}

/** Takes the three values off the words that are left. */
function setTimeouts(rest: string[]): { tcp: number; tcpFin: number; udp: number } {
  const [tcp, tcpFin, udp] = rest.splice(0, 3);
  if (tcp === undefined || tcpFin === undefined || udp === undefined) {
    throw usage('--set option requires 3 timeout values');
  }
  return { tcp: timeoutOf(tcp, 0), tcpFin: timeoutOf(tcpFin, 0), udp: timeoutOf(udp, 0) };
}

/** Three bits, and what sh and mh call the first two. */
const FLAGS = ['flag-1', 'flag-2', 'flag-3'] as const;
const FLAG_NAMES: Readonly<Record<string, readonly string[]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
};

/** The flags in the order of listings; of sh and mh, by their names. */
function schedulerFlags(text: string, scheduler: string): string[] {
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

/** ipvsadm's generic_opt_check. */
function checkOptions(command: CommandName, given: ReadonlySet<OptionName>): void {
  const legal = LEGAL[command];
  let exclusive: OptionName | undefined;
  for (const option of OPTIONS) {
    const legality = legal[option];
    if (!given.has(option)) {
      if (legality === '+') {
        throw usage(`You need to supply the '${option}' option for the '${command}' command`);
      }
      continue;
    }
    if (legality === undefined) {
      throw usage(`Illegal '${option}' option with the '${command}' command`);
    }
    if (legality === '1') {
      if (exclusive !== undefined) {
        throw usage(`The option '${option}' conflicts with the '${exclusive}' option in the '${command}' command`);
      }
      exclusive = option;
    }
  }
}

function serviceOf({ mark, family, protocol, address, port }: Entry): ServiceArgument {
  return mark === 0 ? { protocol, address: address!, port } : { mark, family };
}

function policyOf(entry: Entry, flags: readonly string[]): PolicyArgument {
  const { mark, port, protocol, timeout, mask, onePacket, engine } = entry;
  if (mark === 0 && port === 0 && timeout === undefined) {
    throw usage('Zero port specified for non-persistent service');
  }
  if (onePacket && mark === 0 && protocol !== 'udp') {
    throw usage('One-Packet Scheduling is only for UDP virtual services');
  }
  const persistence =
    timeout === undefined ? undefined : { timeout, mask: mask === ALL_BITS || mask === 128 ? undefined : mask };
  const scheduler = entry.scheduler === '' ? DEFAULT_SCHEDULER : entry.scheduler;
  return { scheduler, flags, persistence, onePacket, engine };
}

function destinationOf(command: CommandName, entry: Entry, given: ReadonlySet<OptionName>): DestinationArgument {
  const { mark, family, forwarding, weight, upperThreshold, lowerThreshold } = entry;
  const { address, port } = entry.server!;
  if (command !== 'delete-server') {
    if (familyOf(address) !== family && forwarding !== 'tunnel') {
      throw usage('Different address family is allowed only for tunneling servers');
    }
    checkTunnel(entry, given);
  }
  // Two services' ports, where -r stands before -t: ipvsadm looks at the service once more, but for -d.
  const own = command === 'delete-server' || mark !== 0 || forwarding === 'masq';
  return {
    address,
    port: own || entry.server!.port !== 0 ? port : entry.port,
    forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
  };
}

/** Which options go with which kind of tunnel. */
const TUNNEL_OPTIONS: Readonly<Record<Entry['tunnel'], Partial<Record<OptionName, Legality>>>> = {
  ipip: {},
  gue: { 'tun-port': '+', 'tun-nocsum': '1', 'tun-csum': '1', 'tun-remcsum': '1' },
  gre: { 'tun-nocsum': '1', 'tun-csum': '1' },
};

function checkTunnel({ forwarding, tunnel }: Entry, given: ReadonlySet<OptionName>): void {
  const options = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const;
  if (forwarding !== 'tunnel') {
    if (given.has('tun-type') || options.some((option) => given.has(option))) {
      throw usage('Tunnel options conflict with forward method');
    }
    return;
  }
  let exclusive: OptionName | undefined;
  for (const option of options) {
    const legality = TUNNEL_OPTIONS[tunnel][option];
    if (!given.has(option)) {
      if (legality === '+') {
        throw usage(`You need to supply the '${option}' option for the '${tunnel}' tunnel type`);
      }
      continue;
    }
    if (legality === undefined) {
      throw usage(`Illegal '${option}' option with the '${tunnel}' tunnel type`);
    }
    if (legality === '1') {
      if (exclusive !== undefined) {
        throw usage(`The option '${option}' conflicts with the '${exclusive}' option in the '${tunnel}' tunnel type`);
      }
      exclusive = option;
    }
  }
}

/** Where several are asked for the first of these counts. */
const COLUMNS = ['stats', 'rate', 'thresholds', 'persistent-conn', 'tun-info'] as const;

function listCommand(given: ReadonlySet<OptionName>, service: ServiceArgument | undefined): Command {
  const has = (...options: OptionName[]): boolean => options.some((option) => given.has(option));
  if (
    (has('connection', 'timeout', 'daemon') && has('stats', 'rate', 'thresholds')) ||
    (has('timeout', 'daemon') && has('persistent-conn'))
  ) {
    throw usage('options conflicts in the list command');
  }
  const numeric = has('numeric');
  if (has('connection')) {
    return { kind: 'list-connections', numeric, engines: has('persistent-conn') };
  }
  if (has('timeout')) {
    return { kind: 'list-timeouts' };
  }
  if (has('daemon')) {
    return { kind: 'list-daemons' };
  }
  const columns = COLUMNS.find((each) => has(each)) ?? 'default';
  return { kind: 'list', service, format: { numeric, exact: has('exact'), sorted: !has('nosort'), columns } };
}
