/** Tells keepalived whether this director may be master, and follows what keepalived says of its virtual routers. */

import type { FailoverReport, InterfaceReport, VrrpReport } from '../../control/index.js';
import type { CompiledService } from '../../image/index.js';
import type { EventContent } from '../../health/index.js';
import type { HealthOf } from '../../health/rules.js';
import {
  BeelineError,
  type Instance,
  type Model,
  type VirtualRouter,
  virtualRouters,
  type Warning,
} from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import type { Network } from '../../net/index.js';
import type { Store } from '../../store/index.js';
import { Lasting } from '../lasting.js';
import type { Logger } from '../log.js';
import { againstMastership } from './against.js';
import { Decider, type Decision } from './decision.js';
import { Fifo } from './fifo.js';
import { areTaken, lackText, leaveVips, type LeftVip } from './leave.js';
import { failoverReport, vrrpReport, vrrpWarnings, vrrpWords } from './report.js';
import { Routers } from './routers.js';
import type { KeptMastership } from './store.js';
import { readMayBeMaster, writeMayBeMaster } from './track-file.js';

const BY_COMMAND = '"beeline failover" gave it up; "beeline failover --take" asks for it back';

export interface MastershipOptions {
  readonly instance: Pick<Instance, 'forwardsPath' | 'vrrpPath'>;
  readonly network: Network;
  readonly store: Pick<Store<KeptMastership>, 'load' | 'save' | 'clear'>;
  readonly healthOf: HealthOf;
  readonly log: Logger;
  /** Tells hooks. */
  readonly tell: (event: EventContent) => void;
}

/** What a round left. */
export interface Round {
  readonly model: Model;
  readonly interfaces: readonly InterfaceReport[];
  /** As packets follow them; undefined: nothing was published yet. */
  readonly services: readonly CompiledService[] | undefined;
  /** Why the flows of the other director are not known here yet. */
  readonly behind?: readonly string[];
}

export class Mastership {
  /** Called when the state of a virtual router changed. */
  onChange: () => void = () => undefined;
  readonly #options: MastershipOptions;
  readonly #routers: Routers;
  readonly #writing: Lasting;
  readonly #reading: Lasting;
  #fifo: Fifo | undefined;
  #decider: Decider | undefined;
  #decision: Decision = { may: false, reasons: [] };
  /** What keepalived was told last. */
  #told: boolean | undefined;
  #round: Round | undefined;
  #routersOf: { readonly model: Model; readonly routers: readonly VirtualRouter[] } | undefined;
  #givenUpSince: number | undefined;
  /** How many detach the program, or are about to. */
  #detaching = 0;
  #due: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** No round has ended yet, and what the last daemon told keepalived goes on. */
  #isStarting = false;

  constructor(options: MastershipOptions) {
    const { store, log } = options;
    this.#options = options;
    const kept = store.load();
    this.#givenUpSince = kept?.givenUpSince;
    this.#writing = new Lasting(log, 'keepalived can be told again whether this director may be master');
    this.#reading = new Lasting(log, 'the FIFO of keepalived can be read again');
    this.#routers = new Routers({
      clock: bootTimeMs,
      kept: kept?.instances ?? [],
      onChange: (change) => {
        const { name, state, before, priority } = change;
        const was = before === undefined ? '' : `, was ${before}`;
        const level = state === 'FAULT' || state === 'UNKNOWN' ? 'warn' : 'info';
        log[level](`vrrp ${name}: ${vrrpWords(state)} (priority ${priority}${was})`);
        const details = { router: name, state, priority, ...(before !== undefined && { before }) };
        options.tell({ type: 'vrrp-state', details });
        this.#keep();
        this.onChange();
      },
      onTwoMasters: (name) => {
        log.warn(`vrrp ${name}: another director is master too; the one of the higher priority stays master`);
      },
      onWrong: (message) => {
        log.warn(`vrrp: ${message}`);
      },
    });
  }

  /** Call it before the first round, which may take the program off an interface already. */
  expect(model: Model): void {
    this.#isStarting = true;
    this.#round = { model, interfaces: [], services: undefined };
  }

  /** Looks what the last round left, and tells keepalived. */
  follow(round: Round): void {
    if (this.#isStopped) {
      return;
    }
    this.#isStarting = false;
    this.#round = round;
    if (round.model.vrrp === undefined) {
      this.#end();
      return;
    }
    this.#routers.follow(this.#routersNow());
    this.#fifo ??= this.#openFifo();
    this.#decide();
  }

  /** Undefined: the configuration has no "vrrp". */
  report(): VrrpReport | undefined {
    return this.#isActive
      ? vrrpReport({ ...this.#state(), decision: this.#decision, givenUpSince: this.#givenUpSince })
      : undefined;
  }

  warnings(): Warning[] {
    return this.#isActive ? vrrpWarnings(this.#state()) : [];
  }

  get problems(): readonly string[] {
    return [this.#writing.problem, this.#reading.problem].flatMap((each) => each ?? []);
  }

  /** The state of each virtual router in few words: "vrrp VI_51 MASTER". */
  get words(): readonly string[] {
    const states = this.report()?.instances.map(({ name, state }) => `vrrp ${name} ${state}`) ?? [];
    return this.#isActive && !this.#decision.may ? [...states, 'may not be master'] : states;
  }

  /** Gives mastership up and waits until the VIPs are elsewhere. If nobody takes them, takes it back unless `force`. */
  async giveUp(force: boolean): Promise<FailoverReport> {
    this.#requireVrrp();
    const before = this.#givenUpSince;
    this.#setGivenUp(before ?? bootTimeMs());
    this.#decide();
    const vips = await leaveVips(this.#options.network, this.#routersNow());
    const isTakenBack = !force && before === undefined && !areTaken(vips);
    if (isTakenBack) {
      this.#options.log.warn(`nobody took mastership over, so it is taken back: ${lackText(vips)}`);
      this.#setGivenUp(undefined);
      this.#decide();
    }
    return failoverReport(this.#decision, this.#givenUpSince, vips, isTakenBack);
  }

  /** Asks for mastership again: whether this director becomes master is keepalived's decision. */
  take(): FailoverReport {
    this.#requireVrrp();
    this.#setGivenUp(undefined);
    this.#decide();
    return failoverReport(this.#decision, undefined, [], false);
  }

  /**
   * Gives mastership up before the program is detached; `work` detaches it. Without "vrrp", or on a director that is not
   * master, it does so at once. Afterwards mastership follows forwarding again.
   *
   * @param refuse called if nobody takes the VIPs over; what it throws ends it, and mastership is taken back
   */
  async leaveFor<Result>(
    work: () => Promise<Result> | Result,
    refuse: (vips: readonly LeftVip[]) => void,
  ): Promise<Result> {
    if (!this.#isActive) {
      return work();
    }
    const isMaster =
      this.#routersNow().some(({ name }) => this.#routers.find(name)?.state === 'MASTER') || this.#hasVip();
    this.#detaching += 1;
    try {
      this.#decide();
      if (isMaster) {
        const vips = await leaveVips(this.#options.network, this.#routersNow());
        if (!areTaken(vips)) {
          refuse(vips);
        }
      }
      return await work();
    } finally {
      this.#detaching -= 1;
      this.#decide();
    }
  }

  /** Forgets everything: nothing is forwarded any more, and keepalived was told. */
  async clear(): Promise<void> {
    this.stop();
    await this.#options.store.clear();
  }

  /** What keepalived was told stays: packets are forwarded still. */
  stop(): void {
    this.#isStopped = true;
    this.#end();
  }

  get #isActive(): boolean {
    return this.#round?.model.vrrp !== undefined;
  }

  #end(): void {
    clearTimeout(this.#due);
    this.#fifo?.close();
    this.#fifo = undefined;
    this.#decider = undefined;
  }

  #openFifo(): Fifo {
    return new Fifo({
      path: this.#options.instance.vrrpPath,
      onLine: (line) => {
        this.#routers.take(line);
      },
      onPresence: (isThere) => {
        if (!isThere) {
          this.#routers.lose();
        }
      },
      onTrouble: (error) => {
        if (error === undefined) {
          this.#reading.succeed();
        } else {
          this.#reading.fail(error, 'cannot read the FIFO of keepalived', 'warn');
        }
      },
    });
  }

  #hasVip(): boolean {
    const links = this.#options.network.linksByAddress();
    return this.#routersNow().some(({ addresses }) => addresses.some((address) => links.has(address)));
  }

  #routersNow(): readonly VirtualRouter[] {
    const model = this.#round?.model;
    if (model === undefined) {
      return [];
    }
    if (this.#routersOf?.model !== model) {
      this.#routersOf = { model, routers: virtualRouters(model) };
    }
    return this.#routersOf.routers;
  }

  #state(): Parameters<typeof vrrpWarnings>[0] {
    return {
      routers: this.#routersNow(),
      known: (name) => this.#routers.find(name),
      twoMasters: this.#routers.twoMasters(),
      isKeepalivedThere: this.#fifo?.isThere ?? false,
      links: this.#options.network.linksByAddress(),
    };
  }

  #decide(): void {
    if (this.#isStopped || !this.#isActive || this.#round === undefined) {
      return;
    }
    clearTimeout(this.#due);
    const now = bootTimeMs();
    const { network, healthOf } = this.#options;
    const interfaces = this.#round.interfaces.map((each) => {
      const link = network.link(each.name);
      return { ...each, up: link !== undefined && link.up && link.carrier };
    });
    const against = againstMastership({ interfaces, services: this.#round.services, healthOf });
    const asked = [
      ...(this.#givenUpSince === undefined ? [] : [BY_COMMAND]),
      ...(this.#detaching === 0 ? [] : ['the program is being detached']),
    ];
    if (this.#isStarting && asked.length === 0) {
      return;
    }
    this.#decider ??= new Decider(this.#readTold(), now);
    this.#decision = this.#decider.decide({ ...against, behind: this.#round.behind ?? [], asked }, now);
    this.#tell(this.#decision);
    if (this.#decision.due !== undefined) {
      this.#due = setTimeout(
        () => {
          this.#decide();
        },
        Math.max(1, this.#decision.due - now),
      ).unref();
    }
  }

  #readTold(): boolean {
    try {
      this.#told = readMayBeMaster(this.#options.instance.forwardsPath);
    } catch {
      // It is written again, and that says what is wrong.
      this.#told = undefined;
    }
    return this.#told ?? false;
  }

  #tell({ may, reasons }: Decision): void {
    const { instance, log } = this.#options;
    const before = this.#told;
    try {
      // Somebody may have removed it.
      if (readMayBeMaster(instance.forwardsPath) !== may) {
        writeMayBeMaster(instance.forwardsPath, may);
      }
      this.#told = may;
      this.#writing.succeed();
    } catch (error) {
      this.#writing.fail(error, 'cannot tell keepalived whether this director may be master');
    }
    if (before !== may) {
      log[may || before === undefined ? 'info' : 'warn'](
        may ? 'this director may be master' : `this director may not be master: ${reasons.join('; ')}`,
      );
    }
  }

  #setGivenUp(since: number | undefined): void {
    if (since !== this.#givenUpSince) {
      this.#givenUpSince = since;
      this.#keep();
    }
  }

  #keep(): void {
    const givenUpSince = this.#givenUpSince;
    void this.#options.store.save({
      instances: this.#routers.kept,
      ...(givenUpSince !== undefined && { givenUpSince }),
    });
  }

  #requireVrrp(): void {
    if (!this.#isActive) {
      throw new BeelineError('NOT_FOUND', 'the configuration has no "vrrp", so that no other director takes over', {
        hint: 'See docs/failover.md.',
      });
    }
  }
}
