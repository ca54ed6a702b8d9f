/** Every option of ipvsadm 1.31: its spellings, and its name in messages. */

import type { Option } from './popt.js';

/** The commands, by the names that messages use. */
export const COMMANDS = [
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
export type CommandName = (typeof COMMANDS)[number];

/** The options, by the names that messages use, in the order in which ipvsadm checks them. */
export const OPTIONS = [
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
export type OptionName = (typeof OPTIONS)[number];

/** Every option of a command line. Messages call several of them by one name: -t, -u and -f are 'service-address'. */
export type Word =
  | CommandName
  | Exclude<OptionName, 'service-address' | 'forwarding-method'>
  | ('help' | 'version')
  | ('tcp-service' | 'udp-service' | 'sctp-service' | 'fwmark-service')
  | ('masquerading' | 'ipip' | 'gatewaying')
  | ('sort' | 'ipv6');

const required = { argument: 'required' } as const;

/** How each option is spelled (ipvsadm.c, options_table). Several spellings may stand for one option. */
export const WORDS: readonly Option<Word>[] = [
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
