/** The reconcile loop: brings the data path to what the models ask for, in the surroundings as they are. */

import { isDeepStrictEqual } from 'node:util';

import type { HostClientsReport, InterfaceReport } from '../control/index.js';
import type { DataPlane, FlowStatistics } from '../dataplane/index.js';
import { compile, gainsMac, type Image, withGhosts, withoutLeaving } from '../image/index.js';
import { BeelineError, keepUnchanged, type Model, type Warning, type World } from '../model/index.js';
import { bootTimeMs } from '../native/index.js';
import type { Network, Resolver } from '../net/index.js';
import { Attachments } from './attachments.js';
import { DrainFinisher } from './changes/drain-finisher.js';
import type { Desired } from './changes/drains.js';
import { type DesiredChange, type Keep, type Prepare, UpdateQueue } from './changes/update-queue.js';
import { Lasting } from './lasting.js';
import type { HostClients } from './host-clients.js';
import type { Logger } from './log.js';
import type { Models, Overlays } from './overlays/index.js';
import { Surroundings } from './surroundings.js';
import { Sweeper } from './sweeper.js';
import { Transitions } from './transitions.js';
import type { Upkeep } from './upkeep.js';
import type { Watch } from './watch.js';

/** After a round failed that no request waits for, how long until the next attempt. */
const RETRY_MS = 5_000;
/** How often a round runs although no event came: the kernel sends none for some changes. */
const RECHECK_MS = 3_000;

/** A recheck is never too early to look. */
const LOOK_SLACK_MS = 500;

const NOTHING: Desired = { model: { interfaces: [], mode: 'native', services: [] }, drains: [] };

export interface DirectorOptions {
  readonly network: Network;
  readonly resolver: Resolver;
  readonly dataPlane: DataPlane;
  readonly overlays: Overlays;
  readonly log: Logger;
  /** Take interfaces over from other XDP programs. */
  readonly replace: boolean;
  /** Looks for what goes wrong beside the tables; undefined: nobody does. */
  readonly watch?: Watch;
  /** Has the real servers of a desired model checked; called before the overlays are. */
  readonly follow?: (desired: Model, world: World) => Promise<void>;
  /** Leads the host's own connections to the director; undefined: nobody does. */
  readonly hostClients?: Pick<HostClients, 'prepare' | 'follow' | 'interface' | 'problems' | 'report'>;
  /** Looks after pins and lock before each round; undefined: nobody does. */
  readonly upkeep?: Pick<Upkeep, 'mend' | 'problems'>;
  /** Called after each round, also a failed one: what is may have changed. */
  readonly onRound?: () => void;
  readonly keep: Keep;
  /** Called around work that takes the program off an interface: another director should have the VIPs then. */
  readonly leaveFor?: (work: () => void) => Promise<void>;
}

/** Callbacks around a switch to another model. */
export interface ChangeOptions {
  /** Called before anything is done; an exception refuses the change. */
  readonly check?: () => void;
  /** Called when packets follow the new model, before any other change. */
  readonly done?: (before: Desired) => Promise<void>;
}

/**
 * One director. Every change takes the same way: something else is asked for or around, then a round.
 * Rounds never overlap.
 */
export class Director {
  readonly #options: DirectorOptions;
  readonly #surroundings: Surroundings;
  readonly #attachments: Attachments;
  readonly #transitions: Transitions;
  readonly #sweeper: Sweeper;
  readonly #updates: UpdateQueue;
  readonly #recheck: NodeJS.Timeout;
  /** What is asked for: restored as a whole if it cannot be published. */
  #desired = NOTHING;
  #models: Models = { desired: NOTHING.model, effective: NOTHING.model };
  /** What was asked for last that could be published. */
  #committed = NOTHING;
  #rounds: Promise<unknown> = Promise.resolve();
  /** The round that is queued; a recheck is for nothing but to look whether something changed. */
  #queued: { isRecheck: boolean } | undefined;
  /** The surroundings of the last round that succeeded. */
  #surveyed: string | undefined;
  /** When, and in what, it was last looked for what goes wrong beside the tables. */
  #looked: { readonly model: Model; readonly surveyed: string; readonly at: number } | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** When overlays change by themselves. */
  #due: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #failure: Lasting;

  constructor(options: DirectorOptions) {
    const { network, resolver, dataPlane, log, keep } = options;
    this.#options = options;
    this.#surroundings = new Surroundings(network, resolver, () => options.hostClients?.interface);
    this.#attachments = new Attachments(options);
    this.#transitions = new Transitions(log);
    this.#failure = new Lasting(log, 'the data path is up to date again');
    const onChange = (): void => {
      this.touch();
    };
    const finisher = new DrainFinisher({ director: this, dataPlane, log });
    const onSwept = (now: number): void => {
      void finisher.finish(now);
    };
    this.#sweeper = new Sweeper({ dataPlane, log, onChange, onSwept });
    this.#updates = new UpdateQueue({ commit: (prepare) => this.#commit(prepare), keep });
    this.#recheck = setInterval(() => {
      this.#touch(true);
    }, RECHECK_MS);
  }

  /** The models of the last round: what packets follow now, and what it was made from. */
  get models(): Models {
    return this.#models;
  }

  /** What the file and commands ask for: what is kept, shown as configuration, and written by `beeline save`. */
  get desired(): Desired {
    return this.#committed;
  }

  /** The problems at this moment, as text. */
  get problems(): readonly string[] {
    const { problem } = this.#failure;
    return [
      ...this.#surroundings.missing(this.#desired.model),
      ...(problem === undefined ? [] : [problem]),
      ...(this.#options.upkeep?.problems ?? []),
      ...(this.#options.hostClients?.problems ?? []),
    ];
  }

  /** The flow tables that are full, as text: that begins and ends between rounds, and has log lines of its own. */
  get fullTables(): readonly string[] {
    return this.#sweeper.problems;
  }

  /** Returns what forwards packets wrongly, or may, at this moment. */
  async warnings(): Promise<Warning[]> {
    return (await this.#options.watch?.warnings(this.#attachments.inUse, this.#desired.model)) ?? [];
  }

  /** How the host's own connections are led to the director; undefined: they are not. */
  get hostClients(): HostClientsReport | undefined {
    return this.#options.hostClients?.report;
  }

  interfaces(): InterfaceReport[] {
    return this.#attachments.report(this.#desired.model.interfaces);
  }

  /** Returns the image of another model, if all its new real servers answer. */
  imageOf(model: Model): Image {
    return compile(this.#options.overlays.apply(model), this.#surroundings.expectedFor(model));
  }

  /** Looks at all flows, and returns the result; undefined before the first publication. */
  sweep(): Promise<FlowStatistics | undefined> {
    return this.#sweeper.sweep();
  }

  /**
   * Runs the first round. An interface that is missing is used when it is there.
   *
   * @throws BeelineError `VLAN_TAGS_HIDDEN`, and what publishing and attaching throw
   */
  start(desired: Desired): Promise<void> {
    const { model } = desired;
    return this.#enqueue(async () => {
      this.#options.watch?.requireTags(model.interfaces, model.mode);
      this.#desired = desired;
      this.#committed = desired;
      await this.#options.hostClients?.prepare(model);
      // The verifier takes about as long as real servers may take to answer, which most do.
      const expected = this.#surroundings.expectedFor(model);
      await this.#options.follow?.(model, await this.#surroundings.survey(model));
      this.#options.dataPlane.prepare(compile(this.#options.overlays.modelsOf(model).effective, expected));
      await this.#surroundings.settle();
      await this.#round();
    });
  }

  /**
   * Switches to another model, ends all drains, and returns what was asked for before. If it fails, that goes on.
   *
   * @throws BeelineError what is wrong with the model; `CONTROL_CLOSED` after `stop`
   */
  async change(next: Model, { check, done }: ChangeOptions = {}): Promise<Desired> {
    this.#requireRunning();
    return this.#enqueue(async () => {
      const before = this.#desired;
      const { interfaces } = before.model;
      // An interface that was there before may be missing for now: it is used when it is back.
      this.#surroundings.requireInterfaces(next, interfaces);
      const newcomers = next.interfaces.filter((name) => !interfaces.includes(name));
      this.#options.watch?.requireTags(newcomers, next.mode);
      check?.();
      await this.#commit(async () => {
        // New real servers answer first, or their flows would go to others, or to none, for a moment.
        const { known } = this.#surroundings;
        await this.#surroundings.survey(next);
        await this.#surroundings.settle((address) => !known.has(address));
        return { model: next, drains: [] };
      });
      await done?.(before);
      return before;
    });
  }

  /**
   * Changes what is asked for and returns the model as soon as packets follow it. A new real server that does not answer ARP
   * yet follows later. All changes that wait at that time are published and kept together.
   *
   * @throws BeelineError what the change throws, and what publishing throws; `CONTROL_CLOSED` after `stop`
   */
  async update(change: DesiredChange): Promise<Model> {
    const [outcome] = await this.updateAll([change], false);
    if (outcome!.status === 'rejected') {
      throw outcome!.reason;
    }
    return outcome!.value;
  }

  /**
   * The same for several changes, in this order. One that is refused does not keep the others from being made.
   *
   * @param atomic packets see none before they see all; if the tables have no room for all, all are refused
   * @throws BeelineError `CONTROL_CLOSED` after `stop`
   */
  async updateAll(changes: readonly DesiredChange[], atomic: boolean): Promise<PromiseSettledResult<Model>[]> {
    this.#requireRunning();
    const waiting: Parameters<UpdateQueue['add']>[0][number][] = [];
    const outcomes = changes.map(
      (change) =>
        new Promise<Model>((resolve, reject) => {
          waiting.push({ ...change, resolve, reject });
        }),
    );
    if (this.#updates.add(waiting, atomic) === 0) {
      void this.#enqueue(() => this.#updates.run());
    }
    return Promise.allSettled(outcomes);
  }

  /** Does something between two changes, when none is under way. */
  exclusively<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    return this.#enqueue(async () => work());
  }

  /** Runs a round now. @throws BeelineError what publishing throws; `CONTROL_CLOSED` after `stop` */
  refresh(): Promise<void> {
    this.#requireRunning();
    return this.#enqueue(() => this.#round());
  }

  /** Starts a round soon, one for any number of calls: the surroundings may have changed. */
  touch(): void {
    this.#touch(false);
  }

  /** Starts a round at once if a device above an interface has a VIP since the last one: packets come to its MAC already. */
  noticeVips(): void {
    const { image } = this.#options.dataPlane;
    if (image !== undefined && gainsMac(image, this.#surroundings.interfacesOf(this.#desired.model))) {
      this.touch();
    }
  }

  /** @param isRecheck nothing is known to have changed */
  #touch(isRecheck: boolean): void {
    if (this.#queued !== undefined) {
      this.#queued.isRecheck &&= isRecheck;
      return;
    }
    if (this.#stopped) {
      return;
    }
    const queued = { isRecheck };
    this.#queued = queued;
    void this.#enqueue(async () => {
      this.#queued = undefined;
      await this.#roundOrRetry(queued.isRecheck);
    });
  }

  /** Waits for the round that is under way and begins no other. Forwarding goes on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#recheck);
    clearTimeout(this.#retry);
    clearTimeout(this.#due);
    await this.#rounds;
    await this.#sweeper.stop();
  }

  #requireRunning(): void {
    if (this.#stopped) {
      throw new BeelineError('CONTROL_CLOSED', 'the daemon is ending, and takes no other configuration');
    }
  }

  #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#rounds.then(work);
    this.#rounds = result.catch(() => undefined);
    return result;
  }

  /** Runs a round with what is asked for next, and returns that. If it fails, everything is as before. */
  async #commit(prepare: Prepare): Promise<Desired> {
    const before = this.#desired;
    try {
      const next = await prepare(before);
      if (next !== undefined) {
        this.#desired = { model: keepUnchanged(before.model, next.model), drains: next.drains };
        await this.#round();
        this.#committed = this.#desired;
      }
      return this.#desired;
    } catch (error) {
      this.#desired = before;
      this.touch();
      throw error;
    }
  }

  async #roundOrRetry(isRecheck: boolean): Promise<void> {
    if (this.#stopped) {
      return;
    }
    clearTimeout(this.#retry);
    try {
      await this.#round(isRecheck);
    } catch (error) {
      this.#failure.fail(error, 'could not bring the data path up to date; trying again');
      this.#retry = setTimeout(() => {
        this.touch();
      }, RETRY_MS);
    }
  }

  /** Publishes what changed, attaches the program where it is missing, detaches it where it is not asked for any more. */
  async #round(isRecheck = false): Promise<void> {
    this.#options.upkeep?.mend();
    try {
      await this.#follow(isRecheck);
      this.#awaitDue();
    } finally {
      this.#options.onRound?.();
    }
  }

  /** Sets the timer for the next change of the overlays. A round that failed is tried again anyway. */
  #awaitDue(): void {
    clearTimeout(this.#due);
    const { due } = this.#options.overlays;
    if (due !== undefined && !this.#stopped) {
      const wait = Math.min(RECHECK_MS, Math.max(0, due - bootTimeMs()));
      this.#due = setTimeout(() => {
        this.touch();
      }, wait);
    }
  }

  async #follow(isRecheck: boolean): Promise<void> {
    const { overlays, hostClients, dataPlane } = this.#options;
    await hostClients?.prepare(this.#desired.model);
    const world = await this.#surroundings.survey(this.#desired.model);
    await this.#options.follow?.(this.#desired.model, world);
    const models = overlays.modelsOf(this.#desired.model);
    const surveyed = this.#surroundings.fingerprint(world);
    if (!(isRecheck && surveyed === this.#surveyed && this.#isPublished(models))) {
      this.#surveyed = undefined;
      if (dataPlane.image !== undefined) {
        // Before packets follow the tables for it: if a new interface cannot be used, they go on by those of before.
        this.#attachments.add(world.interfaces, models.effective.mode);
      }
      await this.#bringUpToDate(models, world);
      this.#surveyed = surveyed;
    }
    await this.#attach(world.interfaces, models.effective.mode);
    await hostClients?.follow(dataPlane.image, world.interfaces);
    this.#failure.succeed();
    await this.#look(surveyed);
  }

  async #attach(interfaces: World['interfaces'], mode: Model['mode']): Promise<void> {
    const { dataPlane, leaveFor } = this.#options;
    const attach = (): void => {
      this.#attachments.follow(interfaces, mode);
    };
    if (leaveFor !== undefined && dataPlane.interrupts(interfaces, mode)) {
      await leaveFor(attach);
    } else {
      attach();
    }
  }

  /**
   * Looks for what goes wrong beside the tables, in rounds in which something else than health changed, and in rechecks. That
   * reads the counters of all real servers, and real servers that fail one after another must not wait for it.
   */
  async #look(surveyed: string): Promise<void> {
    const { model } = this.#desired;
    const last = this.#looked;
    const now = performance.now();
    if (last?.model === model && last.surveyed === surveyed && now - last.at < RECHECK_MS - LOOK_SLACK_MS) {
      return;
    }
    this.#looked = { model, surveyed, at: now };
    const warnings = await this.#options.watch?.settle(this.#attachments.inUse, model);
    this.#transitions.logWarnings(warnings ?? []);
  }

  /** Whether packets follow these models, in the surroundings of the last round, and nothing is due. */
  #isPublished({ desired, effective }: Models): boolean {
    const { dataPlane } = this.#options;
    return (
      desired === this.#models.desired &&
      effective === this.#models.effective &&
      dataPlane.image !== undefined &&
      !dataPlane.isDue &&
      bootTimeMs() < dataPlane.movesUntil
    );
  }

  async #bringUpToDate(models: Models, world: World): Promise<void> {
    const { dataPlane, network } = this.#options;
    const image = await dataPlane.withPast(compile(models.effective, world));
    const { interfaces } = models.effective;
    const presence = new Map(interfaces.map((name) => [name, network.link(name) !== undefined]));
    this.#transitions.logStates(presence, { ...image, services: image.services.map(withoutLeaving) });
    await this.#publish(image);
    this.#models = models;
  }

  async #publish(image: Image): Promise<void> {
    const { dataPlane, log } = this.#options;
    const asked = dataPlane.image && withGhosts(image, dataPlane.image.ghosts);
    if (
      dataPlane.image !== undefined &&
      asked?.features === dataPlane.needed &&
      sameImage(asked, dataPlane.image) &&
      !dataPlane.isDue
    ) {
      return;
    }
    const started = performance.now();
    await dataPlane.publish(image);
    const ms = Math.round((performance.now() - started) * 10) / 10;
    log.info({ generation: dataPlane.generation, services: image.services.length, ms }, 'published');
  }
}

/** Whether a new image is what packets follow, but for features: the program may have more for a time. */
function sameImage(a: Image, b: Image): boolean {
  const surroundings = ({ interfaces, own, directors, flows, timeouts, icmpLimits, vlans }: Image): string =>
    JSON.stringify([interfaces, own, directors, flows, timeouts, icmpLimits, vlans]);
  return (
    a.services.length === b.services.length &&
    a.services.every((service, i) => service === b.services[i]) &&
    (a.markEntries === b.markEntries || isDeepStrictEqual(a.markEntries, b.markEntries)) &&
    surroundings(a) === surroundings(b)
  );
}
