/** Everything that decides which real servers take flows: checks, maintenance, and the overlay that follows from both. */

import { isDeepStrictEqual } from 'node:util';
import { hostname } from 'node:os';

import type * as Health from '../../health/index.js';
import type { HealthOf, NowReport, ServerHealth, Transition } from '../../health/rules.js';
import { allServices, BeelineError, type Hook, type IpAddress, type Model, type World } from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import type { Network } from '../../net/index.js';
import type { Logger } from '../log.js';
import { reportMaintenance } from '../maintenance/commands.js';
import type { Maintenance } from '../maintenance/maintenance.js';
import { Maintenances } from '../maintenance/maintenances.js';
import { HealthOverlay, Overlays } from '../overlays/index.js';
import type { Stores } from '../stores.js';
import { maintenanceEvent, quorumEvent } from './events.js';
import type { KeptDirectorHealth } from './store.js';
import { lineOf, quorumLine, Told } from './told.js';

/** After a change that packets do not follow, how long until it is kept: what comes in between is written with it. */
const KEEP_MS = 200;
/** Keeping takes at most one part of so many of the time: with thousands of real servers it takes longer than a round. */
const KEEP_SHARE = 20;

export interface HealthKeeperOptions {
  /** The name of the instance. */
  readonly instance: string;
  readonly stores: Pick<Stores, 'maintenance' | 'health'>;
  readonly network: Network;
  readonly log: Logger;
  /** What packets should follow has changed. */
  readonly onChange: () => void;
}

export class HealthKeeper {
  readonly maintenances: Maintenances;
  readonly overlays: Overlays;
  readonly #options: HealthKeeperOptions;
  readonly #overlay: HealthOverlay;
  readonly #told: Told;
  /** What the last daemon knew, until somebody goes on with it. */
  #restored: KeptDirectorHealth | undefined;
  /** Undefined: no real server was ever checked. */
  #checker: Health.Checker | undefined;
  #keeping: NodeJS.Timeout | undefined;
  /** When. */
  #keepsAt = 0;
  /** It is to be kept after the next round. */
  #isUrgent = false;
  /** The model that is checked. */
  #model: Model | undefined;
  #isStopped = false;
  /** Before this time nothing is kept again. */
  #keepsNotBefore = 0;
  /** Undefined: nobody is told. */
  #hooks: { readonly of: readonly Hook[]; readonly hooks: Health.Hooks; readonly room: typeof Health } | undefined;
  /** The end of hooks that another configuration replaced. */
  #closing: Promise<unknown> = Promise.resolve();

  constructor(options: HealthKeeperOptions) {
    const { stores, log } = options;
    this.#options = options;
    this.#told = new Told(log);
    this.#restored = stores.health.load();
    this.maintenances = new Maintenances({
      store: stores.maintenance,
      log,
      clock: bootTimeMs,
      onEnd: (ended) => {
        this.tellMaintenance(false, ended);
      },
    });
    this.#overlay = new HealthOverlay({
      healthOf: this.healthOf,
      stateOf: (service) => this.#checker?.stateOf(service),
      disabledOf: this.maintenances,
      clock: bootTimeMs,
      restore: this.#restored?.pools,
      onQuorum: (event) => {
        this.#told.tell(quorumLine(event));
        this.#happen(() => quorumEvent(event));
        this.#keepAfterRound();
      },
      onRemoved: (service) => {
        this.#happen(() => ({ type: 'service-removed', details: { service } }));
        this.#keepSoon();
      },
    });
    this.overlays = new Overlays([this.maintenances, this.#overlay]);
  }

  readonly healthOf: HealthOf = (service, address) => this.#checker?.healthOf(service, address);

  all(): readonly ServerHealth[] {
    return this.#checker?.all() ?? [];
  }

  /** The services whose quorum is lost, by name. */
  get quorumLost(): readonly string[] {
    return this.#overlay.quorumLost;
  }

  /** Has the real servers of a model checked. To call before what packets follow is computed. */
  async follow(model: Model, world: World): Promise<void> {
    if (this.#checker === undefined && allServices(model).some(({ health }) => health !== undefined)) {
      await this.#begin();
    }
    if (this.#checker !== undefined && model !== this.#model) {
      this.#keepSoon();
    }
    this.#model = model;
    // Hooks that are new with the model hear nothing of what it removed: they never heard that it was down.
    this.#checker?.follow(model, world);
    await this.#followHooks(model.health?.hooks ?? []);
  }

  async #followHooks(next: readonly Hook[]): Promise<void> {
    if (isDeepStrictEqual(this.#hooks?.of ?? [], next)) {
      return;
    }
    const last = this.#hooks?.hooks;
    this.#closing = Promise.all([this.#closing, last?.close()]);
    this.#hooks = undefined;
    if (next.length > 0) {
      const room = await import('../../health/index.js');
      const onTrouble = (hook: Hook, text: string): void => {
        this.#options.log.warn({ hook: hook.url ?? hook.command?.join(' ') }, `hook: ${text}`);
      };
      this.#hooks = { of: next, hooks: new room.Hooks({ hooks: next, onTrouble }), room };
    }
  }

  /** Tells hooks of an event of something else. */
  tellEvent(event: Health.EventContent): void {
    this.#happen(() => event);
  }

  #happen(contentOf: (room: typeof Health) => Health.EventContent): void {
    if (this.#hooks === undefined) {
      return;
    }
    const { hooks, room } = this.#hooks;
    const { type, details } = contentOf(room);
    hooks.tell(room.healthEvent(type, details, { host: hostname(), instance: this.#options.instance }));
  }

  /** Tells hooks that maintenances begin or are over. */
  tellMaintenance(begins: boolean, maintenances: readonly Maintenance[]): void {
    for (const each of maintenances) {
      this.#happen(() => maintenanceEvent(begins, each, reportMaintenance(each).until));
    }
  }

  async #begin(): Promise<void> {
    const { network, log, onChange } = this.#options;
    // A director whose real servers are not checked does not load what makes checks.
    const health = await import('../../health/index.js');
    this.#checker = new health.Checker({
      clock: bootTimeMs,
      network,
      restore: this.#restored?.checks,
      onChange: () => {
        onChange();
        this.#keepAfterRound();
      },
      onTransition: (transition) => {
        this.#tell(transition);
      },
      onTrouble: (message, details) => {
        log.warn(details, message);
      },
    });
    this.#restored = undefined;
  }

  #tell(transition: Transition): void {
    const { service, address } = transition;
    const line = lineOf(transition, this.healthOf(service, address)?.checks.length ?? 0);
    if (line !== undefined) {
      this.#told.tell(line);
    }
    this.#happen((room) => room.contentOf(transition));
    this.#keepSoon();
  }

  /** @throws BeelineError `NOT_FOUND` if the real server is not checked */
  async checkNow(service: string, address: IpAddress): Promise<readonly NowReport[]> {
    const reports = await this.#checker?.checkNow(service, address);
    if (reports === undefined) {
      throw new BeelineError('NOT_FOUND', `${address} of ${service} is not checked`, {
        hint: 'Its service has no "health" in the configuration, or the real server has "health: off".',
      });
    }
    return reports;
  }

  /**
   * To call after each round. What packets follow now is kept at once: a daemon that is killed would else make the next one
   * send to what is down. Not before, since packets must not wait for it.
   */
  endRound(): void {
    if (this.#isUrgent) {
      this.#isUrgent = false;
      this.#keepWithin(0);
    }
  }

  /** What packets follow is about to change. */
  #keepAfterRound(): void {
    this.#isUrgent = true;
    this.#keepSoon();
  }

  #keepSoon(): void {
    this.#keepWithin(KEEP_MS);
  }

  #keepWithin(ms: number): void {
    if (this.#isStopped) {
      return;
    }
    const now = performance.now();
    const at = Math.max(now + ms, this.#keepsNotBefore);
    if (this.#keeping !== undefined && this.#keepsAt <= at) {
      return;
    }
    clearTimeout(this.#keeping);
    this.#keepsAt = at;
    this.#keeping = setTimeout(() => {
      void this.#keep();
    }, at - now).unref();
  }

  async #keep(): Promise<void> {
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
    const { health } = this.#options.stores;
    const began = performance.now();
    // What changes while this one is under way waits, too.
    this.#keepsNotBefore = began + KEEP_MS;
    const pools = this.#overlay.kept;
    // What the last daemon knew is kept as long as nobody goes on with it.
    const checks = this.#checker?.kept ?? this.#restored?.checks ?? { boot: '', servers: [] };
    await (checks.servers.length === 0 && Object.keys(pools).length === 0
      ? health.clear()
      : health.save({ checks, pools }));
    const ended = performance.now();
    this.#keepsNotBefore = ended + KEEP_SHARE * (ended - began);
  }

  /** Ends all checks. What is known of them is kept for the next daemon. */
  async stop(): Promise<void> {
    if (this.#isStopped) {
      return;
    }
    this.#isStopped = true;
    this.#told.flush();
    await this.#checker?.close();
    if (this.#checker !== undefined || this.#keeping !== undefined) {
      await this.#keep();
    }
    await Promise.all([this.#closing, this.#hooks?.hooks.close()]);
  }
}
