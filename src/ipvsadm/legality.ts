/** Checks which options go together, in ipvsadm's order and words (ipvsadm.c: generic_opt_check, tunnel_opts_check). Pure. */

import { usage } from './errors.js';
import { type CommandName, type OptionName, OPTIONS } from './options.js';

/** '+': required. ' ': allowed. '1': allowed, but only one of those marked so. */
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

/** The options that each command allows (ipvsadm.c, commands_v_options). */
export const LEGAL: Readonly<Record<CommandName, Partial<Record<OptionName, Legality>>>> = {
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

/** How a real server's packets may be encapsulated. */
export type TunnelType = 'ipip' | 'gue' | 'gre';

const TUNNEL_OPTIONS = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const;

/** The options that each type of tunnel allows. */
const LEGAL_WITH_TUNNEL: Readonly<Record<TunnelType, Partial<Record<OptionName, Legality>>>> = {
  ipip: {},
  gue: { 'tun-port': '+', 'tun-nocsum': '1', 'tun-csum': '1', 'tun-remcsum': '1' },
  gre: { 'tun-nocsum': '1', 'tun-csum': '1' },
};

/** @throws Failure for an option that the command does not allow, or that it needs */
export function checkOptions(command: CommandName, given: ReadonlySet<OptionName>): void {
  check(OPTIONS, LEGAL[command], given, `the '${command}' command`);
}

/**
 * Checks the tunnel options of -a and -e.
 *
 * @param tunnel undefined: the forwarding method is not a tunnel
 * @throws Failure
 */
export function checkTunnelOptions(tunnel: TunnelType | undefined, given: ReadonlySet<OptionName>): void {
  if (tunnel !== undefined) {
    check(TUNNEL_OPTIONS, LEGAL_WITH_TUNNEL[tunnel], given, `the '${tunnel}' tunnel type`);
  } else if (given.has('tun-type') || TUNNEL_OPTIONS.some((option) => given.has(option))) {
    throw usage('Tunnel options conflict with forward method');
  }
}

function check(
  options: readonly OptionName[],
  legal: Partial<Record<OptionName, Legality>>,
  given: ReadonlySet<OptionName>,
  subject: string,
): void {
  let exclusive: OptionName | undefined;
  for (const option of options) {
    const legality = legal[option];
    if (!given.has(option)) {
      if (legality === '+') {
        throw usage(`You need to supply the '${option}' option for ${subject}`);
      }
      continue;
    }
    if (legality === undefined) {
      throw usage(`Illegal '${option}' option with ${subject}`);
    }
    if (legality === '1') {
      if (exclusive !== undefined) {
        throw usage(`The option '${option}' conflicts with the '${exclusive}' option in ${subject}`);
      }
      exclusive = option;
    }
  }
}
