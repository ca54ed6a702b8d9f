/** The table of options: how each one changes the entry that a command line fills in. */

import { type Family, familyOf, type IpAddress, MAX_THRESHOLD, MAX_WEIGHT, ip } from '../model/index.js';
import type { DestinationArgument } from './command.js';
import { usage } from './errors.js';
import type { TunnelType } from './legality.js';
import type { Names, ProtocolName } from './names.js';
import type { CommandName, OptionName, Word } from './options.js';
import type * as Values from './values.js';

/** The values of the options so far; ipvsadm's struct ipvs_command_entry. */
export interface Entry {
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
  server: { readonly address: IpAddress; readonly port: number } | undefined;
  forwarding: DestinationArgument['forwarding'];
  weight: number;
  upperThreshold: number;
  lowerThreshold: number;
  tunnel: TunnelType;
}

/** IP_VS_TEMPLATE_TIMEOUT (net/ip_vs.h), in seconds. */
const DEFAULT_PERSISTENCE = 360;
/** Loads the parsers of values. Listings, which must start fast, need none of them. */
let loaded: Promise<typeof Values> | undefined;
const values = (): Promise<typeof Values> => (loaded ??= import('./values.js'));

/** The mask that tells every client from every other. */
export const ALL_BITS = ip('255.255.255.255');
const MAX_PORT = 0xffff;
/** The longest content of a UDP datagram. */
const MAX_SYNC_LENGTH = 65_507;

export function emptyEntry(): Entry {
  return {
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
}

/** The effect of one option. */
interface Effect {
  /** The option's name in messages; it may be given once. Undefined: it may be repeated. */
  readonly once?: OptionName;
  /** Writes the option's argument into the entry; an option without an argument has the text ''. @throws Failure */
  readonly read?: (entry: Entry, text: string, names: Names, hasArgument: boolean) => void | Promise<void>;
}

function service(protocol: ProtocolName): Effect {
  return {
    once: 'service-address',
    read: async (entry, text, names) => {
      entry.protocol = protocol;
      const { parseEndpoint } = await values();
      const endpoint = await parseEndpoint(text, protocol, names);
      if (endpoint === undefined) {
        throw usage('illegal virtual server address[:port] specified');
      }
      entry.address = endpoint.address;
      entry.port = endpoint.port ?? 0;
      entry.family = familyOf(endpoint.address);
      if (entry.family === 6) {
        entry.mask = 128;
      }
    },
  };
}

function forwarding(method: Entry['forwarding']): Effect {
  return {
    once: 'forwarding-method',
    read: (entry) => {
      entry.forwarding = method;
    },
  };
}

/** An option whose argument is a number, kept in the entry or only checked. */
function number(
  option: OptionName,
  low: number,
  high: number,
  what: string = option,
  field?: 'weight' | 'upperThreshold' | 'lowerThreshold',
): Effect {
  return {
    once: option,
    read: async (entry, text) => {
      const { parseNumber } = await values();
      const value = parseNumber(text, low, high, what);
      if (field !== undefined) {
        entry[field] = value;
      }
    },
  };
}

function text(option: OptionName, field: 'scheduler' | 'engine' | 'flags'): Effect {
  return {
    once: option,
    read: (entry, argument) => {
      entry[field] = argument;
    },
  };
}

/** The words that may follow the command. */
type OptionWord = Exclude<Word, CommandName | 'help' | 'version'>;

const EFFECTS: Readonly<Record<OptionWord, Effect>> = {
  'tcp-service': service('tcp'),
  'udp-service': service('udp'),
  'sctp-service': service('sctp'),
  'fwmark-service': {
    once: 'service-address',
    read: async (entry, argument) => {
      const { parseMark } = await values();
      entry.family = 4;
      entry.mark = parseMark(argument);
    },
  },
  ipv6: {
    read: (entry) => {
      if (entry.mark === 0) {
        throw usage('-6 used before -f\n');
      }
      entry.family = 6;
      entry.mask = 128;
    },
  },
  scheduler: text('scheduler', 'scheduler'),
  persistent: {
    once: 'persistent',
    read: async (entry, argument, _names, hasArgument) => {
      const { parseTimeout } = await values();
      entry.timeout = hasArgument ? parseTimeout(argument, 1) : DEFAULT_PERSISTENCE;
    },
  },
  netmask: {
    once: 'netmask',
    read: async (entry, argument, names) => {
      const { parseMask } = await values();
      entry.mask = await parseMask(argument, entry.family, names);
    },
  },
  'real-server': {
    once: 'real-server',
    read: async (entry, argument, names) => {
      const { parseEndpoint } = await values();
      const endpoint = await parseEndpoint(argument, entry.protocol, names);
      if (endpoint === undefined) {
        throw usage('illegal real server address[:port] specified');
      }
      entry.server = { address: endpoint.address, port: endpoint.port ?? entry.port };
    },
  },
  gatewaying: forwarding('route'),
  ipip: forwarding('tunnel'),
  masquerading: forwarding('masq'),
  weight: number('weight', 0, MAX_WEIGHT, 'weight', 'weight'),
  'u-threshold': number('u-threshold', 0, MAX_THRESHOLD, 'u_threshold', 'upperThreshold'),
  'l-threshold': number('l-threshold', 0, MAX_THRESHOLD, 'l_threshold', 'lowerThreshold'),
  ops: {
    once: 'ops',
    read: (entry) => {
      entry.onePacket = true;
    },
  },
  pe: text('pe', 'engine'),
  'sched-flags': text('sched-flags', 'flags'),
  syncid: number('syncid', 0, 255),
  'sync-maxlen': number('sync-maxlen', 1, MAX_SYNC_LENGTH),
  'mcast-port': number('mcast-port', 1, MAX_PORT),
  'mcast-ttl': number('mcast-ttl', 1, 255),
  'mcast-group': {
    once: 'mcast-group',
    read: async (_entry, argument) => {
      const { checkMulticastGroup } = await values();
      checkMulticastGroup(argument);
    },
  },
  'tun-type': {
    once: 'tun-type',
    read: (entry, argument) => {
      if (argument !== 'ipip' && argument !== 'gue' && argument !== 'gre') {
        throw usage('illegal tunnel type specified');
      }
      entry.tunnel = argument;
    },
  },
  'tun-port': number('tun-port', 1, MAX_PORT, 'tunnel port'),
  numeric: { once: 'numeric' },
  connection: { once: 'connection' },
  'mcast-interface': { once: 'mcast-interface' },
  timeout: { once: 'timeout' },
  daemon: { once: 'daemon' },
  stats: { once: 'stats' },
  rate: { once: 'rate' },
  thresholds: { once: 'thresholds' },
  'persistent-conn': { once: 'persistent-conn' },
  nosort: { once: 'nosort' },
  exact: { once: 'exact' },
  'tun-info': { once: 'tun-info' },
  'tun-nocsum': { once: 'tun-nocsum' },
  'tun-csum': { once: 'tun-csum' },
  'tun-remcsum': { once: 'tun-remcsum' },
  sort: {},
};

/**
 * Reads one option into the entry.
 *
 * @param given the options so far, by their names in messages; the option is added
 * @param typed the word as it was typed, for a message
 * @throws Failure
 */
export async function readOption(
  entry: Entry,
  given: Set<OptionName>,
  { word, argument, typed }: { readonly word: Word; readonly argument: string | undefined; readonly typed: string },
  names: Names,
): Promise<void> {
  if (!isOptionWord(word)) {
    throw usage(`invalid option \`${typed}'`);
  }
  const { once, read } = EFFECTS[word];
  if (once !== undefined) {
    if (given.has(once)) {
      throw usage(`multiple '${once}' options specified`);
    }
    given.add(once);
  }
  await read?.(entry, argument ?? '', names, argument !== undefined);
}

/** A second command is not an option. */
function isOptionWord(word: Word): word is OptionWord {
  return Object.hasOwn(EFFECTS, word);
}
