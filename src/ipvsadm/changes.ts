/** Carries out the commands that change the director: -A, -E, -D, -C, -a, -e, -d, -Z and --set. */

import {
  addressBits,
  type AnyServiceKey,
  BeelineError,
  type Edit,
  type EditPolicy,
  familyOf,
  type IpAddress,
  isMarkKey,
  SCHEDULER_FLAGS,
  SCHEDULERS,
  unusableRealServer,
} from '../model/index.js';
import type { Command, DestinationArgument, PolicyArgument, ServiceArgument } from './command.js';
import type { Environment } from './environment.js';
import { type Failure, failureOf, NO_SCHEDULER, NOT_UNICAST, refusal } from './errors.js';
import { existingKey, newKey } from './keys.js';

/** A command that changes the director. */
export type Change = Extract<
  Command,
  {
    kind: 'flush' | 'zero' | 'set' | `${'add' | 'edit' | 'delete'}-service` | `${'add' | 'edit' | 'delete'}-server`;
  }
>;

export class Changes {
  readonly #environment: Environment;
  readonly #warnings: Set<string>;

  /** @param warnings warnings about changes are added here */
  constructor(environment: Environment, warnings: Set<string>) {
    this.#environment = environment;
    this.#warnings = warnings;
  }

  /** @throws Failure; BeelineError */
  async run(command: Change): Promise<void> {
    switch (command.kind) {
      case 'flush':
        await this.#edit({ kind: 'clear' }, 'service');
        return;
      case 'add-service':
      case 'edit-service':
        await this.#changeService(command.kind, command.service, command.policy);
        return;
      case 'delete-service':
        await this.#edit({ kind: command.kind, service: existingKey(command.service) }, 'service');
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
        await this.#environment.director.zero(command.service === undefined ? undefined : existingKey(command.service));
    }
  }

  /** Changes the director's services. @param about what the change is about, for the words of a failure @throws Failure */
  async #edit(change: Edit, about: 'service' | 'destination'): Promise<void> {
    try {
      const warnings = await this.#environment.director.edit(change);
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
    const service = kind === 'edit-service' ? existingKey(argument) : newKey(argument);
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

  /** Returns why a service cannot be added or edited: it exists already, or does not exist. Undefined: it can. */
  async #mismatch(kind: 'add-service' | 'edit-service', service: AnyServiceKey): Promise<Failure | undefined> {
    const exists = await this.#environment.director.has(service);
    if (exists === (kind === 'edit-service')) {
      return undefined;
    }
    return failureOf(new BeelineError(exists ? 'SERVICE_EXISTS' : 'SERVICE_UNKNOWN', ''), 'service');
  }

  /** Warns if the VIP is on lo with a short prefix, which makes the whole network local: a well-known trap of tutorials. */
  async #warnOfPrefix(vip: IpAddress): Promise<void> {
    const full = addressBits(familyOf(vip));
    const addresses = await this.#environment.loopback();
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
    const service = existingKey(argument, 'destination');
    const [servicePort, ownPort] = isMarkKey(service) ? [0, { port }] : [service.port, {}];
    if (kind === 'delete-server') {
      if (servicePort !== port && !isMarkKey(service)) {
        const exists = await this.#environment.director.has(service);
        throw failureOf(new BeelineError(exists ? 'DESTINATION_UNKNOWN' : 'SERVICE_UNKNOWN', ''), 'destination');
      }
      await this.#edit({ kind: 'delete-destination', service, address, ...ownPort }, 'destination');
      return;
    }
    await this.#edit(
      {
        kind: kind === 'add-server' ? 'add-destination' : 'edit-destination',
        service,
        destination: {
          address,
          ...ownPort,
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
          (isMarkKey(service)
            ? `the ${port} of ${address} is for listings alone.`
            : `${address}:${port} stands in the table with port ${servicePort}.`),
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
}

/** Returns whether the kernel, too, refuses the real server's address. */
function isNotUnicast(change: Edit, error: unknown): boolean {
  if (change.kind !== 'add-destination' || !(error instanceof BeelineError) || error.code !== 'EDIT_REFUSED') {
    return false;
  }
  const { address } = change.destination;
  return unusableRealServer(address) !== undefined;
}

function withoutUndefined({ timeout, mask }: { timeout: number; mask: IpAddress | number | undefined }): {
  timeout: number;
  mask?: IpAddress | number;
} {
  return mask === undefined ? { timeout } : { timeout, mask };
}
