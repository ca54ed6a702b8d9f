/** What ipvsadm's commands do: from a command line to changes and listings of a director. Knows no socket and no terminal. */

import type { FlowReport, FlowsReport, ServiceTable } from '../control/index.js';
import {
  BeelineError,
  type Edit,
  type EditKey,
  editKeyName,
  type EditPolicy,
  type IpAddress,
  isLoopback,
  isMarkKey,
  parseIp,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  unusableAddress,
} from '../model/index.js';
import {
  type Command,
  type DestinationArgument,
  parseArguments,
  type PolicyArgument,
  type ServiceArgument,
} from './arguments.js';
import { ExitStatus, Failure, failureOf, NO_SCHEDULER, NOT_UNICAST, refusal, tryHelp } from './errors.js';
import {
  connectionTitle,
  formatConnection,
  formatList,
  formatSave,
  formatTimeouts,
  type Labels,
  listedServices,
  NUMBERS,
} from './listing.js';
import type { Names } from './names.js';

/** What ipvsadm needs of a director. */
export interface Director {
  /** @returns warnings @throws BeelineError */
  edit(change: Edit): Promise<readonly string[]>;
  table(): Promise<ServiceTable>;
  /** A page of flows, from where the page before ended. */
  flows(from: string | undefined): Promise<FlowsReport>;
  /** @throws BeelineError `SERVICE_UNKNOWN` */
  zero(service: EditKey | undefined): Promise<void>;
}

/** All that is not the director. */
export interface Surroundings {
  readonly director: Director;
  readonly names: Names;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** All of standard input. */
  readonly input: () => Promise<string>;
  /** Addresses on the loopback interface, with the lengths of their prefixes. */
  readonly loopback: () => Promise<readonly { readonly address: IpAddress; readonly prefixLength: number }[]>;
  /** Bits of the kernel's hash of services, for listings in its order; default: HASH_SALT. */
  readonly salt?: number;
}

/**
 * Runs one command line.
 *
 * @param words without the program's name
 * @returns the exit status
 */
export async function execute(words: readonly string[], surroundings: Surroundings): Promise<number> {
  return withWarnings(surroundings, (session) => session.run(words));
}

/** ipvsadm-restore: clears, then reads commands; lines that begin with "#" are left out. */
export async function restoreAnew(surroundings: Surroundings): Promise<number> {
  const text = await surroundings.input();
  const rules = text.replace(/^#.*\n?/gm, '');
  return withWarnings(surroundings, async (session) => {
    await session.run(['-C']);
    return session.restore(rules);
  });
}

async function withWarnings(surroundings: Surroundings, run: (session: Session) => Promise<number>): Promise<number> {
  const session = new Session(surroundings);
  try {
    return await run(session);
  } catch (error) {
    return session.fail(failureOf(error, 'service'));
  } finally {
    session.tellWarnings();
  }
}

class Session {
  readonly #surroundings: Surroundings;
  /** Each is told once, however often it was met. */
  readonly #warnings = new Set<string>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  tellWarnings(): void {
    this.#warnings.forEach((warning) => {
      this.#surroundings.err(`beeline: warning: ${warning}\n`);
    });
  }

  fail({ text, status }: Failure): number {
    if (text !== '') {
      this.#surroundings.err(`${text}\n`);
    }
    return status;
  }

  /** @throws Failure, BeelineError */
  async run(words: readonly string[], restoring = false): Promise<number> {
    const command = await parseArguments(words, this.#surroundings.names);
    if (command.kind === 'restore') {
      if (restoring) {
        throw tryHelp();
      }
      return this.restore(await this.#surroundings.input());
    }
    await this.#do(command);
    if (command.kind === 'help' || command.kind === 'version') {
      // ipvsadm exits, whatever else there is to restore.
      throw new Failure('', ExitStatus.ok, true);
    }
    return ExitStatus.ok;
  }

  /** Runs the lines; what one of them does not do keeps none of the others from being done. The last one's status. */
  async restore(text: string): Promise<number> {
    const { restoreLines } = await import('./restore.js');
    let status: number = ExitStatus.ok;
    for (const words of restoreLines(text)) {
      try {
        status = await this.run(words, true);
      } catch (error) {
        const failure = failureOf(error, 'service');
        if (failure.ends) {
          throw failure;
        }
        status = this.fail(failure);
      }
    }
    return status;
  }

  async #do(command: Exclude<Command, { kind: 'restore' }>): Promise<void> {
    const { director, out } = this.#surroundings;
    switch (command.kind) {
      case 'help':
        out((await import('./help.js')).HELP);
        return;
      case 'version':
        out((await import('./help.js')).VERSION);
        return;
      case 'flush':
        await this.#edit({ kind: 'clear' }, 'service');
        return;
      case 'start-daemon':
      case 'stop-daemon':
        throw refusal(
          'Beeline has no daemon that synchronises connections.\n' +
            'A standby director with the same services needs none: maglev, sh and mh choose the same real servers there.',
        );
      case 'add-service':
      case 'edit-service':
        await this.#changeService(command.kind, command.service, command.policy);
        return;
      case 'delete-service':
        await this.#edit({ kind: command.kind, service: knownKey(command.service) }, 'service');
        return;
      case 'add-server':
      case 'edit-server':
      case 'delete-server':
        await this.#changeServer(command.kind, command.service, command.destination);
        return;
      case 'set':
        await this.#setTimeouts(command);
        return;
      case 'zero':
        await director.zero(command.service === undefined ? undefined : knownKey(command.service));
        return;
      case 'list':
        await this.#list(command);
        return;
      case 'list-connections':
        await this.#listConnections(command.numeric, command.engines);
        return;
      case 'list-timeouts':
        out(formatTimeouts((await director.table()).timeouts));
        return;
      case 'list-daemons':
        // There are none, and of none ipvsadm says nothing.
        await director.table();
        return;
      case 'save': {
        const services = listedServices(await director.table(), true, this.#surroundings.salt);
        out(formatSave(services, await this.#labels(command.numeric, services)));
        return;
      }
    }
  }

  /** @throws Failure */
  async #edit(change: Edit, about: 'service' | 'destination'): Promise<void> {
    try {
      const warnings = await this.#surroundings.director.edit(change);
      warnings.forEach((warning) => this.#warnings.add(warning));
    } catch (error) {
      throw isNotUnicast(change, error) ? refusal(NOT_UNICAST) : failureOf(error, about);
    }
  }

  async #changeService(
    kind: 'add-service' | 'edit-service',
    argument: ServiceArgument,
    { scheduler: name, flags, persistence, onePacket, engine }: PolicyArgument,
  ): Promise<void> {
    const service = kind === 'edit-service' ? knownKey(argument) : possibleKey(argument);
    const scheduler = SCHEDULERS.find((each) => each === name);
    if (scheduler === undefined) {
      throw (await this.#mismatch(kind, service)) ?? refusal(NO_SCHEDULER);
    }
    if (engine !== undefined) {
      throw refusal(
        `Beeline has no persistence engine "${engine}".\n` +
          'Persistence by address is -p without --pe; mh or sh without -p keep a client at its real server too.',
      );
    }
    const known = SCHEDULER_FLAGS.filter((flag) => flags.includes(flag)).sort();
    const policy: EditPolicy = {
      scheduler,
      ...(known.length === 0 ? {} : { flags: known }),
      ...(persistence === undefined ? {} : { persistence: withoutUndefined(persistence) }),
      ...(onePacket ? { onePacket } : {}),
    };
    await this.#edit({ kind, service, policy }, 'service');
    const meaningless = flags.filter((flag) => !(SCHEDULER_FLAGS as readonly string[]).includes(flag));
    if (meaningless.length > 0) {
      this.#warnings.add(`${meaningless.join(',')} means nothing to ${scheduler}, and is left out.`);
    }
    if (kind === 'add-service' && !isMarkKey(service)) {
      await this.#warnOfPrefix(service.address);
    }
  }

  /** Why the service is not there, or is there already; undefined where that is as it should be. */
  async #mismatch(kind: 'add-service' | 'edit-service', service: EditKey): Promise<Failure | undefined> {
    const exists = findIn(await this.#surroundings.director.table(), service) !== undefined;
    if (exists === (kind === 'edit-service')) {
      return undefined;
    }
    return failureOf(new BeelineError(exists ? 'SERVICE_EXISTS' : 'SERVICE_UNKNOWN', ''), 'service');
  }

  /** A VIP as /24 on lo makes that whole network local: the best-known trap of all tutorials. */
  async #warnOfPrefix(vip: IpAddress): Promise<void> {
    const full = vip.includes(':') ? 128 : 32;
    const addresses = await this.#surroundings.loopback();
    const found = addresses.find(({ address, prefixLength }) => address === vip && prefixLength < full);
    if (found !== undefined) {
      this.#warnings.add(
        `${vip}/${found.prefixLength} on lo makes that whole network local, and nothing reaches its other hosts. ` +
          `Use /${full}: ip addr del ${vip}/${found.prefixLength} dev lo; ip addr add ${vip}/${full} dev lo.`,
      );
    }
  }

  async #changeServer(
    kind: 'add-server' | 'edit-server' | 'delete-server',
    argument: ServiceArgument,
    { address, port, forwarding, weight, upperThreshold, lowerThreshold }: DestinationArgument,
  ): Promise<void> {
    if (forwarding !== 'route') {
      throw refusal(
        forwarding === 'masq'
          ? 'Beeline does not masquerade (-m) yet: it forwards by direct routing.\n' +
              'Use -g, with the VIP on a loopback interface of each real server.'
          : 'Beeline does not tunnel (-i) yet: it forwards by direct routing.\n' +
              'Use -g, with real servers on a network that the director is directly attached to.',
      );
    }
    const service = knownKey(argument, 'destination');
    const servicePort = isMarkKey(service) ? 0 : service.port;
    if (kind === 'delete-server') {
      if (servicePort !== port && !isMarkKey(service)) {
        const exists = findIn(await this.#surroundings.director.table(), service) !== undefined;
        throw failureOf(new BeelineError(exists ? 'DESTINATION_UNKNOWN' : 'SERVICE_UNKNOWN', ''), 'destination');
      }
      await this.#edit({ kind: 'delete-destination', service, address }, 'destination');
      return;
    }
    await this.#edit(
      {
        kind: kind === 'add-server' ? 'add-destination' : 'edit-destination',
        service,
        destination: {
          address,
          weight,
          ...(upperThreshold === 0 ? {} : { upperThreshold }),
          ...(lowerThreshold === 0 ? {} : { lowerThreshold }),
        },
      },
      'destination',
    );
    if (port !== servicePort) {
      this.#warnings.add(
        'in direct routing packets reach a real server on the port that the client sent them to: ' +
          `${address}:${port} stands in the table with port ${servicePort}.`,
      );
    }
  }

  async #setTimeouts({ tcp, tcpFin, udp }: { tcp: number; tcpFin: number; udp: number }): Promise<void> {
    const timeouts = {
      ...(tcp === 0 ? {} : { established: tcp }),
      ...(tcpFin === 0 ? {} : { finWait: tcpFin }),
      ...(udp === 0 ? {} : { udp }),
    };
    await this.#edit({ kind: 'set-timeouts', timeouts }, 'service');
  }

  async #list({ service, format }: Extract<Command, { kind: 'list' }>): Promise<void> {
    const table = await this.#surroundings.director.table();
    const all = listedServices(table, format.sorted, this.#surroundings.salt);
    const name = service === undefined ? undefined : nameOf(service);
    const services = name === undefined ? all : all.filter((each) => editKeyName(each) === name);
    if (name !== undefined && services.length === 0) {
      throw failureOf(new BeelineError('SERVICE_UNKNOWN', ''), 'list');
    }
    const labels = await this.#labels(format.numeric, services);
    this.#surroundings.out(formatList(services, format, labels, name === undefined));
  }

  /** Page by page, so that millions of them need no memory here. */
  async #listConnections(numeric: boolean, engines: boolean): Promise<void> {
    const { director, names, out } = this.#surroundings;
    out(connectionTitle(engines));
    let from: string | undefined;
    do {
      const page = await director.flows(from);
      const labels = numeric ? NUMBERS : await labelsOf(names, flowAddresses(page.flows));
      out(page.flows.map((flow) => formatConnection(flow, labels)).join(''));
      from = page.next;
    } while (from !== undefined);
  }

  async #labels(numeric: boolean, services: ReturnType<typeof listedServices>): Promise<Labels> {
    const addresses = services.flatMap((service) => [
      ...(isMarkKey(service) ? [] : [service.address]),
      ...service.destinations.map(({ address }) => address),
    ]);
    return numeric ? NUMBERS : labelsOf(this.#surroundings.names, addresses);
  }
}

async function labelsOf(names: Names, addresses: readonly IpAddress[]): Promise<Labels> {
  const hosts = await names.hostsOf(addresses);
  return {
    host: (address) => hosts.get(address) ?? address,
    port: (port, protocol) => (protocol === undefined ? undefined : names.serviceOf(port, protocol)) ?? String(port),
  };
}

function flowAddresses(flows: readonly FlowReport[]): IpAddress[] {
  return flows.flatMap(({ client, vip, server }) => [client, vip, server]);
}

/** Whether the kernel too would have refused the real server's address. */
function isNotUnicast(change: Edit, error: unknown): boolean {
  if (change.kind !== 'add-destination' || !(error instanceof BeelineError) || error.code !== 'EDIT_REFUSED') {
    return false;
  }
  const { address } = change.destination;
  return unusableAddress(address) !== undefined && !isLoopback(address);
}

function findIn({ services, markServices }: ServiceTable, key: EditKey): EditKey | undefined {
  const name = editKeyName(key);
  return [...services, ...markServices].find((each) => editKeyName(each) === name);
}

/** A service's name, of services too that there can be none of. */
function nameOf(service: ServiceArgument): string {
  return 'mark' in service || service.protocol !== 'sctp' ? editKeyName(service as EditKey) : '';
}

/** The key of a service that may be made. @throws Failure */
function possibleKey(service: ServiceArgument): EditKey {
  if ('mark' in service) {
    return service;
  }
  const { protocol, address, port } = service;
  if (protocol === 'sctp') {
    throw refusal('Beeline does not balance SCTP.\nIts services are -t (TCP), -u (UDP) and -f (marks).');
  }
  if (parseIp(address) === undefined) {
    throw refusal(`${address} is an IPv4 address in an IPv6 one.\nUse the IPv4 address by itself.`);
  }
  return { protocol, address, port };
}

/** The key of a service that there should be. @throws Failure where there can be none */
function knownKey(service: ServiceArgument, about: 'service' | 'destination' = 'service'): EditKey {
  if ('mark' in service) {
    return service;
  }
  const { protocol, address, port } = service;
  if (protocol === 'sctp' || parseIp(address) === undefined) {
    throw failureOf(new BeelineError('SERVICE_UNKNOWN', ''), about);
  }
  return { protocol, address, port };
}

function withoutUndefined({ timeout, mask }: { timeout: number; mask: IpAddress | number | undefined }): {
  timeout: number;
  mask?: IpAddress | number;
} {
  return mask === undefined ? { timeout } : { timeout, mask };
}
