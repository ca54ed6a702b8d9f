/** Commands that take real servers out for a time, and bring them back. */

import type { Handlers, MaintenanceReport, MaintenanceStarted, Parameters } from '../../control/index.js';
import {
  allServices,
  type AnyService,
  BeelineError,
  type IpAddress,
  type Model,
  serviceName,
} from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import { isoOf } from '../clock.js';
import type { Director } from '../director.js';
import type { Logger } from '../log.js';
import { disable, enable, type Maintenance } from './maintenance.js';
import { type Maintenances, nameOf } from './maintenances.js';

export interface MaintenanceCommandsOptions {
  readonly director: Pick<Director, 'desired' | 'refresh'>;
  readonly health: {
    readonly maintenances: Maintenances;
    tellMaintenance(begins: boolean, maintenances: readonly Maintenance[]): void;
  };
  readonly log: Logger;
  /** Returns what every change should warn of at this moment. */
  readonly warnings: () => readonly string[];
}

export class MaintenanceCommands {
  readonly #options: MaintenanceCommandsOptions;
  /** One command after another: each is taken back if it cannot be published. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: MaintenanceCommandsOptions) {
    this.#options = options;
  }

  get handlers(): Pick<Handlers, 'disable' | 'enable'> {
    return {
      disable: (query) => this.#inTurn(() => this.#disable(query)),
      enable: (query) => this.#inTurn(() => this.#enable(query)),
    };
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** @throws BeelineError `NOT_FOUND` if there is no such real server, and what publishing throws */
  async #disable({ service, realServer, forMs, reason, moves }: Parameters['disable']): Promise<MaintenanceStarted> {
    const { director, health, log, warnings } = this.#options;
    const { maintenances } = health;
    requireRealServer(director.desired.model, service, realServer);
    const now = bootTimeMs();
    const asked: Maintenance = {
      ...(service !== undefined && { service }),
      address: realServer,
      since: now,
      ...(forMs !== undefined && { until: now + forMs }),
      ...(reason !== undefined && { reason }),
      moves,
    };
    const next = disable(maintenances.all, asked);
    const begun = next.at(-1)!;
    await this.#change(next);
    log.info({ reason, forMs, moves }, `${nameOf(begun)}: disabled`);
    health.tellMaintenance(true, [begun]);
    return { ...reportMaintenance(begun), warnings: warnings() };
  }

  /** @throws BeelineError `NOT_FOUND` if it is not disabled, and what publishing throws */
  async #enable({ service, realServer }: Parameters['enable']): Promise<{ warnings: readonly string[] }> {
    const { health, log, warnings } = this.#options;
    const { maintenances } = health;
    const before = maintenances.all;
    const left = enable(before, { ...(service !== undefined && { service }), address: realServer });
    await this.#change(left);
    const ended = before.filter((each) => !left.includes(each));
    log.info({ enabled: ended.map(nameOf) }, 'enabled');
    health.tellMaintenance(false, ended);
    return { warnings: warnings() };
  }

  /** Publishes, then keeps. If it cannot be published, everything is as before. */
  async #change(next: readonly Maintenance[]): Promise<void> {
    const { director, health } = this.#options;
    const { maintenances } = health;
    const before = maintenances.all;
    maintenances.set(next);
    try {
      await director.refresh();
    } catch (error) {
      maintenances.set(before);
      throw error;
    }
    await maintenances.keep();
  }
}

/** @throws BeelineError `SERVICE_UNKNOWN`, `NOT_FOUND` */
export function requireRealServer(model: Model, service: string | undefined, address: IpAddress): void {
  const services = allServices(model).filter((each) => service === undefined || serviceName(each) === service);
  if (service !== undefined && services.length === 0) {
    throw new BeelineError('SERVICE_UNKNOWN', `there is no service ${service}`, { hint: '"beeline list" lists them.' });
  }
  const has = ({ destinations, health }: AnyService): boolean =>
    destinations.some((each) => each.address === address) || health?.fallback?.includes(address) === true;
  if (!services.some(has)) {
    throw new BeelineError(
      'NOT_FOUND',
      `${service ?? 'no service'} has ${service === undefined ? 'the' : 'no'} real server ${address}`,
      {
        hint: 'See "beeline list".',
      },
    );
  }
}

export function reportMaintenance({ service, address, since, until, reason, moves }: Maintenance): MaintenanceReport {
  return {
    ...(service !== undefined && { service }),
    realServer: address,
    since: isoOf(since),
    ...(until !== undefined && { until: isoOf(until) }),
    ...(reason !== undefined && { reason }),
    moves,
  };
}
