/**
 * From a command line to a command, with the checks of ipvsadm 1.31 in its order and its words for mistakes (ipvsadm.c:
 * parse_options, process_options). Knows nothing of the director.
 */

import { familyOf } from '../model/index.js';
import type { Command, DestinationArgument, PolicyArgument, ServiceArgument } from './command.js';
import { ALL_BITS, emptyEntry, type Entry, readOption } from './entry.js';
import { ExitStatus, Failure, tryHelp, usage } from './errors.js';
import { checkOptions, checkTunnelOptions } from './legality.js';
import type { Names } from './names.js';
import { type CommandName, COMMANDS, type OptionName, type Word, WORDS } from './options.js';
import { OptionReader } from './popt.js';

/** ipvsadm's DEF_SCHED. */
const DEFAULT_SCHEDULER = 'wlc';

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
  const { entry, given } = await readOptions(reader, names);
  const timeouts = name === 'set' ? await takeTimeouts(reader.rest) : undefined;
  const [unexpected] = reader.rest;
  if (unexpected !== undefined) {
    throw usage(`unexpected argument ${unexpected}`);
  }
  const flags = given.has('sched-flags') ? await schedulerFlags(entry) : [];
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

/** Reads the first option, which must be a command. */
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

/** Reads all options that follow the command. */
async function readOptions(
  reader: OptionReader<Word>,
  names: Names,
): Promise<{ entry: Entry; given: Set<OptionName> }> {
  const entry = emptyEntry();
  const given = new Set<OptionName>();
  for (;;) {
    const read = reader.next();
    if (read.kind === 'error') {
      throw new Failure(`${reader.lastWord}: ${read.error}`, ExitStatus.refused, false);
    }
    if (read.kind === 'end') {
      return { entry, given };
    }
    await readOption(entry, given, { word: read.name, argument: read.argument, typed: reader.lastWord }, names);
  }
}

/** The flags in the order of listings. @throws Failure */
async function schedulerFlags({ flags, scheduler }: Entry): Promise<string[]> {
  const { parseSchedulerFlags } = await import('./values.js');
  return parseSchedulerFlags(flags, scheduler);
}

/** Takes the three values of --set out of the words that are left. @throws Failure */
async function takeTimeouts(rest: string[]): Promise<{ tcp: number; tcpFin: number; udp: number }> {
  const [tcp, tcpFin, udp] = rest.splice(0, 3);
  if (tcp === undefined || tcpFin === undefined || udp === undefined) {
    throw usage('--set option requires 3 timeout values');
  }
  const { parseTimeout } = await import('./values.js');
  return { tcp: parseTimeout(tcp, 0), tcpFin: parseTimeout(tcpFin, 0), udp: parseTimeout(udp, 0) };
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
    checkTunnelOptions(forwarding === 'tunnel' ? entry.tunnel : undefined, given);
  }
  // With -r before -t the service's port was not yet known to -r. ipvsadm then takes it here, but not for -d.
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

/** When several are given, ipvsadm uses the first of this list. */
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
