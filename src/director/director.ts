/** The reconcile loop: brings the data path to what the model asks for, in the surroundings as they are. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import type { InterfaceReport } from '../control/index.js';
import type { Attachment, DataPlane, FlowStatistics } from '../dataplane/index.js';
import { compile, featureNames, type Image } from '../image/index.js';
import {
  allServices,
  BeelineError,
  type Interface,
  type IpAddress,
  isMac,
  keepUnchanged,
  type Model,
  type World,
} from '../model/index.js';
import { stripsVlanTags } from '../native/index.js';
import type { Network, Resolver } from '../net/index.js';
import { withNewcomers } from './changes/plan.js';
import type { Logger } from './log.js';
import type { Drain, Drains, Left } from './overlays/drains.js';

/** After a failure that was nobody's request, it is tried again. */
const RETRY_MS = 5_000;
/** How often to look whether everything is still as it should be, for what the kernel sends no event for. */
const RECHECK_MS = 3_000;
/** How long a start waits for real servers to answer ARP: more than a probe and its first repetition. */
const SETTLE_MS = 1_500;
const SETTLE_STEP_MS = 20;

export interface DirectorOptions {
  readonly network: Network;
  readonly resolver: Resolver;
  readonly dataPlane: DataPlane;
  readonly drains: Drains;
  readonly log: Logger;
  /** Take interfaces over from other XDP programs. */
  readonly replace: boolean;
  /** Keeps what changes made of the model; nobody is told that they are made before it has. */
  readonly keep?: (model: Model, changes: number) => Promise<void>;
}

/** A change of the model, of which many may come at once. */
export interface ModelChange {
  /** The next model, of the one that the change before left. What it throws refuses this change alone. */
  readonly apply: (model: Model) => Model;
  /** The real server on its way out for which it says anew what holds. */
  readonly ends?: Pick<Drain, 'service' | 'address'> | undefined;
}

interface WaitingChange extends ModelChange {
  readonly resolve: (model: Model) => void;
  readonly reject: (error: unknown) => void;
}

/** What goes with going over to another model. */
export interface ChangeOptions {
  /** Told of both before anything is done; what it throws refuses the change. */
  readonly check?: (before: Model, next: Model) => void;
  /** Once packets follow the new one, and before any other change. */
  readonly done?: () => Promise<void>;
}

/** How often all flows are looked at: what is over is forgotten at most so much later. */
const SWEEP_MS = 2_000;

/** Where and how the program is attached. */
type Attached = Omit<Attachment, 'adopted'> & { readonly ifindex: number };

/**
 * One director. There is one way to change anything: a new model, or new surroundings, and then a round of the loop.
 * Rounds never overlap.
 */
export class Director {
  readonly #options: DirectorOptions;
  readonly #attached = new Map<string, Attached>();
  readonly #told = new Map<string, string>();
  #warned: ReadonlySet<string> = new Set();
  readonly #recheck: NodeJS.Timeout;
  readonly #sweepTimer: NodeJS.Timeout;
  #sweeping: Promise<void> | undefined;
  #flows: FlowStatistics | undefined;
  #model: Model = { interfaces: [], mode: 'native', services: [] };
  #rounds: Promise<unknown> = Promise.resolve();
  #roundQueued = false;
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;
  #failure: string | undefined;
  #waiting: WaitingChange[] = [];

  constructor(options: DirectorOptions) {
    this.#options = options;
    this.#recheck = setInterval(() => {
      this.touch();
    }, RECHECK_MS);
    this.#sweepTimer = setInterval(() => {
      void this.sweep();
    }, SWEEP_MS);
  }

  get model(): Model {
    return this.#model;
  }

  /** What packets would follow under another model, if real servers that are new to this one are where they should be. */
  imageOf(model: Model): Image {
    const interfaces = model.interfaces.flatMap((name) => this.#options.network.interface(name) ?? []);
    const world = { interfaces, resolutions: this.#options.resolver.resolutions() };
    return compile(model, withNewcomers(world, model));
  }

  /** Looks at all flows, and gives what it found; undefined before the first publication. */
  async sweep(): Promise<FlowStatistics | undefined> {
    // One that is under way is not overtaken by another.
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    await this.#sweeping;
    return this.#flows;
  }

  /** What is wrong at the moment, in words. */
  get problems(): readonly string[] {
    const missing = this.#model.interfaces
      .filter((name) => this.#options.network.link(name) === undefined)
      .map((name) => `interface ${name} is missing`);
    return [...missing, ...this.#strippedTags(), ...(this.#failure === undefined ? [] : [this.#failure])];
  }

  /** Where VLAN tags are taken out of frames before the program sees them: it would take tagged for untagged. */
  #strippedTags(): string[] {
    const { dataPlane, network } = this.#options;
    if (dataPlane.image === undefined || !featureNames(dataPlane.image.features).includes('vlan')) {
      return [];
    }
    return this.#model.interfaces
      .filter((name) => network.link(name) !== undefined && stripsVlanTags(name))
      .map((name) => `${name} hides VLAN tags from XDP: turn that off, "ethtool -K ${name} rxvlan off"`);
  }

  /**
   * Takes a first model up: everything it names must be there.
   *
   * @throws BeelineError `INTERFACE_MISSING`, and what publishing and attaching throw
   */
  start(model: Model): Promise<void> {
    return this.#enqueue(async () => {
      this.#requireInterfaces(model);
      this.#model = model;
      this.#options.drains.keepOnly(model);
      await this.#survey();
      await this.#settle();
      await this.#round();
    });
  }

  /**
   * Goes over to another model and returns the one before.
   *
   * @throws BeelineError what is wrong with it; the old one then goes on. `CONTROL_CLOSED` after `stop`
   */
  async change(next: Model, { check, done }: ChangeOptions = {}): Promise<Model> {
    this.#requireRunning();
    return this.#enqueue(async () => {
      const before = this.#model;
      // One that was there before may be missing for now: it is used when it is back.
      this.#requireInterfaces(next, before.interfaces);
      check?.(before, next);
      this.#model = keepUnchanged(before, next);
      const drains = this.#options.drains.clear();
      try {
        // Real servers that are new answer first, or their flows would go to others, or to nobody, for a moment.
        const known = this.#options.resolver.resolutions();
        await this.#survey();
        await this.#settle((address) => !known.has(address));
        await this.#round();
      } catch (error) {
        this.#revert(before, drains);
        throw error;
      }
      if (drains.length > 0) {
        const ended = drains.map(({ service, address }) => `${address} of ${service}`);
        this.#options.log.warn({ ended }, 'draining ended: the configuration was read anew, and says what holds');
      }
      await done?.();
      return before;
    });
  }

  /**
   * Changes the model and returns what came of it, as soon as packets follow: a real server that is new and does not
   * answer ARP yet follows by itself. All changes that are waiting by then are published, and kept, at once.
   *
   * @throws BeelineError what the change throws, and what publishing does; `CONTROL_CLOSED` after `stop`
   */
  async update(change: ModelChange): Promise<Model> {
    this.#requireRunning();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...change, resolve, reject });
      if (this.#waiting.length === 1) {
        void this.#enqueue(() => this.#updateAll());
      }
    });
  }

  async #updateAll(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    if (!(await this.#tryUpdate(all, all.length === 1))) {
      // One of them is more than the tables hold: the others shall not pay for it.
      for (const each of all) {
        await this.#tryUpdate([each], true);
      }
    }
  }

  /** Makes changes, together or not at all. @returns whether all were answered: where not, nothing was done */
  async #tryUpdate(changes: readonly WaitingChange[], isLast: boolean): Promise<boolean> {
    const [before, drains] = [this.#model, this.#options.drains.all];
    const accepted: { resolve: WaitingChange['resolve']; reject: WaitingChange['reject']; model: Model }[] = [];
    const refused: (() => void)[] = [];
    for (const { apply, ends, resolve, reject } of changes) {
      try {
        this.#model = apply(this.#model);
        accepted.push({ resolve, reject, model: this.#model });
        if (ends !== undefined) {
          this.#options.drains.end(ends);
        }
      } catch (error) {
        refused.push(() => {
          reject(error);
        });
      }
    }
    try {
      if (accepted.length > 0) {
        this.#model = keepUnchanged(before, this.#model);
        this.#options.drains.keepOnly(this.#model);
        await this.#round();
      }
    } catch (error) {
      this.#revert(before, drains);
      accepted.forEach(({ reject }) => {
        if (isLast) {
          reject(error);
        }
      });
      return isLast;
    }
    if (accepted.length > 0) {
      await this.#options.keep?.(this.#model, accepted.length);
    }
    accepted.forEach(({ resolve, model }) => {
      resolve(model);
    });
    refused.forEach((tell) => {
      tell();
    });
    return true;
  }

  #revert(before: Model, drains: readonly Drain[]): void {
    this.#model = before;
    this.#options.drains.restore(drains);
    this.touch();
  }

  /** Does something between two changes, when none is under way. */
  exclusively<Result>(work: () => Promise<Result> | Result): Promise<Result> {
    return this.#enqueue(async () => work());
  }

  #requireRunning(): void {
    if (this.#stopped) {
      throw new BeelineError('CONTROL_CLOSED', 'the daemon is ending, and takes no other configuration');
    }
  }

  /** The surroundings may have changed: a round follows soon, one for any number of calls. */
  touch(): void {
    if (this.#roundQueued || this.#stopped) {
      return;
    }
    this.#roundQueued = true;
    void this.#enqueue(async () => {
      this.#roundQueued = false;
      await this.#roundOrRetry();
    });
  }

  /** Waits for the round that is under way and begins no more. Packets go on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#recheck);
    clearInterval(this.#sweepTimer);
    clearTimeout(this.#retry);
    await this.#rounds;
    await this.#sweeping;
  }

  /**
   * Lets a real server's flows end and then removes it.
   *
   * @param deadline in milliseconds of the wall clock, when it is removed whatever flows it has
   * @throws BeelineError `NOT_FOUND`
   */
  drain(service: string, address: IpAddress, deadline: number | undefined): Promise<void> {
    return this.#enqueue(async () => {
      this.#options.drains.start(this.#model, service, address, deadline);
      this.#options.log.info({ service, realServer: address }, 'draining');
      await this.#round();
    });
  }

  /** How many flows a real server of a service has. */
  left(service: string, address: IpAddress): Left {
    const { dataPlane } = this.#options;
    const compiled = dataPlane.image?.services.find(({ name }) => name === service);
    const index = compiled?.destinations.findIndex((each) => each.address === address) ?? -1;
    const { active, inactive } = dataPlane.flowCounts().get(service)?.[index] ?? { active: 0, inactive: 0 };
    const uncertain = compiled?.tracks === false && compiled.previous?.includes(index) === true;
    return { flows: active + inactive, uncertain };
  }

  /** Looks at all flows, and at what follows from what it finds. */
  async #sweep(): Promise<void> {
    const { dataPlane, drains, log } = this.#options;
    try {
      const result = await dataPlane.sweep();
      if (result === undefined) {
        return;
      }
      this.#flows = result.flows;
      const finished = drains.finish((service, address) => this.left(service, address), Date.now());
      finished.forEach((each) => {
        log.info(each);
      });
      if (finished.length > 0 || result.changesMoves || Date.now() >= dataPlane.movesUntil) {
        this.touch();
      }
    } catch (error) {
      log.error({ err: error }, 'could not look at the flows; trying again');
    }
  }

  interfaces(): InterfaceReport[] {
    return this.#model.interfaces.map((name) => {
      const link = this.#options.network.link(name);
      const attached = this.#attached.get(name);
      return {
        name,
        // An interface that came back is another one, to which the program is yet to be attached.
        state:
          link === undefined ? 'missing' : this.#options.dataPlane.isAttached(link.ifindex) ? 'attached' : 'failed',
        mode: attached?.mode,
        ifindex: link?.ifindex,
        mac: link?.mac,
        reason: attached?.nativeRefusal,
      };
    });
  }

  #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#rounds.then(work);
    this.#rounds = result.catch(() => undefined);
    return result;
  }

  async #roundOrRetry(): Promise<void> {
    if (this.#stopped) {
      return;
    }
    clearTimeout(this.#retry);
    try {
      await this.#round();
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#options.log.error({ err: error }, 'could not bring the data path up to date; trying again');
      this.#retry = setTimeout(() => {
        this.touch();
      }, RETRY_MS);
    }
  }

  /** Publishes what changed, attaches what is there and not attached, detaches what is not asked for any more. */
  async #round(): Promise<void> {
    const { dataPlane, log } = this.#options;
    const world = await this.#survey();
    const image = dataPlane.withMoves(compile(this.#options.drains.apply(this.#model), world));
    this.#tellChanges(image);
    if (dataPlane.image === undefined || !sameImage(image, dataPlane.image)) {
      const started = performance.now();
      await dataPlane.publish(image);
      const ms = Math.round((performance.now() - started) * 10) / 10;
      log.info({ generation: dataPlane.generation, services: image.services.length, ms }, 'published');
    }
    for (const target of world.interfaces) {
      this.#attach(target);
    }
    this.#detachAllBut(world.interfaces);
    this.#failure = undefined;
    this.#tellOnce(this.#strippedTags());
  }

  /** Has the model's real servers resolved, and says how everything stands. */
  async #survey(): Promise<World> {
    const { network, resolver } = this.#options;
    const interfaces = this.#model.interfaces.flatMap((name) => network.interface(name) ?? []);
    const { directors = [] } = this.#model;
    const addresses = [
      ...allServices(this.#model).flatMap(({ destinations }) =>
        destinations.flatMap(({ address, mac }) => (mac === undefined ? address : [])),
      ),
      ...directors.filter((each) => !isMac(each)),
    ];
    await resolver.track(addresses, interfaces);
    return { interfaces, resolutions: resolver.resolutions() };
  }

  /** Gives real servers the time to answer, so that what is published is whole. */
  async #settle(matters: (address: IpAddress) => boolean = () => true): Promise<void> {
    const deadline = performance.now() + SETTLE_MS;
    while (this.#options.resolver.pending.some(matters) && performance.now() < deadline) {
      await sleep(SETTLE_STEP_MS);
    }
  }

  #attach(target: Interface): void {
    const { dataPlane, log, replace } = this.#options;
    const { adopted, ...attachment } = dataPlane.attach(target, { mode: this.#model.mode, replace });
    if (adopted && this.#attached.get(target.name)?.ifindex === target.ifindex) {
      return;
    }
    this.#attached.set(target.name, { ...attachment, ifindex: target.ifindex });
    const { mode, nativeRefusal: reason } = attachment;
    if (reason !== undefined) {
      log.warn({ interface: target.name, mode, reason }, 'attached in generic mode, which is slower');
    } else {
      log.info({ interface: target.name, mode }, adopted ? 'attached already' : 'attached');
    }
  }

  #detachAllBut(wanted: readonly Interface[]): void {
    const { dataPlane, log } = this.#options;
    for (const ifindex of dataPlane.attachedTo) {
      if (!wanted.some((each) => each.ifindex === ifindex)) {
        dataPlane.detach(ifindex);
        log.info({ ifindex }, 'detached');
      }
    }
    for (const [name, { ifindex }] of this.#attached) {
      if (!wanted.some((each) => each.ifindex === ifindex)) {
        this.#attached.delete(name);
      }
    }
  }

  #requireInterfaces({ interfaces }: Model, except: readonly string[] = []): void {
    const missing = interfaces.find((name) => !except.includes(name) && this.#options.network.link(name) === undefined);
    if (missing !== undefined) {
      throw new BeelineError('INTERFACE_MISSING', `there is no network interface ${missing}`, {
        hint: 'See "ip link".',
      });
    }
  }

  /** Logs problems that were not there at the last round. */
  #tellOnce(problems: readonly string[]): void {
    for (const problem of problems) {
      if (!this.#warned.has(problem)) {
        this.#options.log.warn(problem);
      }
    }
    this.#warned = new Set(problems);
  }

  /** Logs what came, went, or has become another since the last round: interfaces and real servers. */
  #tellChanges(image: Image): void {
    const { network, log } = this.#options;
    const now = new Map<string, string>();
    for (const name of this.#model.interfaces) {
      now.set(`interface ${name}`, network.link(name) === undefined ? 'missing' : 'present');
    }
    for (const [address, state] of realServerStates(image)) {
      now.set(`real server ${address}`, state);
    }
    for (const [what, state] of now) {
      if (this.#told.get(what) !== state) {
        const bad = state === 'missing' || state.startsWith('unresolved');
        log[bad ? 'warn' : 'info'](`${what}: ${state}`);
      }
    }
    this.#told.clear();
    now.forEach((state, what) => this.#told.set(what, state));
  }
}

/** By address: "00:50:00:00:01:00", "local", "unresolved, …". */
function realServerStates(image: Image): Map<IpAddress, string> {
  const states = new Map<IpAddress, string>();
  for (const { destinations, routes } of image.services) {
    destinations.forEach(({ address }, i) => {
      const route = routes[i]!;
      const state =
        route.action === 'forward'
          ? `at ${route.mac}`
          : route.action === 'none'
            ? `unresolved, ${route.reason}`
            : 'local';
      states.set(address, state);
    });
  }
  return states;
}

function sameImage(a: Image, b: Image): boolean {
  const surroundings = ({ interfaces, directors, features, flows, timeouts }: Image): string =>
    JSON.stringify([interfaces, directors, features, flows, timeouts]);
  return (
    a.services.length === b.services.length &&
    a.services.every((service, i) => service === b.services[i]) &&
    (a.markEntries === b.markEntries || isDeepStrictEqual(a.markEntries, b.markEntries)) &&
    surroundings(a) === surroundings(b)
  );
}
