/** The engine of health checks: makes each check when it is due, and keeps what is known of each real server. */

import type { IpAddress, Model, World } from '../model/index.js';
import { bootName } from '../native/index.js';
import { Board } from './engine/board.js';
import type { NowReport } from './engine/events.js';
import type { Ended } from './engine/exchange.js';
import { type KeptHealth, recall } from './engine/kept.js';
import { DEFAULT_RANGE, Line } from './engine/line.js';
import { Lateness } from './engine/lateness.js';
import { Locator } from './engine/locator.js';
import { checkOnce } from './engine/now.js';
import { NOT_VIP } from './engine/judgement.js';
import { vipsOf } from './engine/plan.js';
import type { Probe } from './engine/probe.js';
import type { CheckerOptions, CheckerUsage } from './engine/options.js';
import { Roster } from './engine/roster.js';
import { Runner, SOON } from './engine/runner.js';
import { Schedule } from './engine/schedule.js';
import type { Watch } from './engine/servers.js';
import { SlowRuns } from './engine/slow-runs.js';
import { Verdicts } from './engine/verdicts.js';
import { Ways } from './engine/ways.js';
import type { HealthOf, ServerHealth } from './states.js';
import type { CheckResult } from './wire/result.js';

/** A check whose way is not known yet, or whose wire is being opened, waits so long. */
const SOON_MS = 100;
/** So long the wire counts as full. */
const FULL_MS = 1000;
const FAILED = 'a health check failed within the director';

/**
 * Makes the health checks of a model. Without any, nothing is opened, attached or timed. It keeps the process alive while
 * there are checks.
 */
export class Checker implements AsyncDisposable {
  readonly #options: CheckerOptions;
  readonly #boot = bootName();
  readonly #roster: Roster;
  readonly #verdicts: Verdicts;
  readonly #runner: Runner;
  readonly #locator: Locator;
  readonly #schedule: Schedule<Probe>;
  #model: Model | undefined;
  #world: { readonly state: object | undefined; readonly own: string } | undefined;
  readonly #lateness: Lateness;
  #inAir = 0;
  #ended = 0;
  #isClosed = false;

  constructor(options: CheckerOptions) {
    const { clock, network, restore, onTrouble, openWire } = options;
    this.#options = options;
    this.#verdicts = new Verdicts(options);
    this.#roster = new Roster(restore && recall(restore, this.#boot), {
      onEnd: (probe, ended) => {
        this.#onEnd(probe, ended);
      },
      onTrouble: (watch, trouble) => {
        this.#verdicts.setTrouble(watch, trouble);
      },
    });
    const line = new Line({
      open: openWire,
      onTrouble,
      onResults: (results) => {
        this.#take(results);
      },
      onOpen: () => {
        this.#runner.board = new Board(line.wire!.checks);
      },
      onLost: () => {
        this.#lose();
      },
    });
    const ways = new Ways(network);
    this.#lateness = new Lateness({ clock, onTrouble });
    const ports = (): number => line.range.last - line.range.first + 1;
    const slow = new SlowRuns({
      run: options.runSlow,
      clock,
      // The rest is for checks of the wire.
      ports: () => ports() / 4,
      onBegin: (lateMs, intervalMs) => {
        this.#lateness.note(lateMs, intervalMs);
      },
    });
    this.#runner = new Runner(network, ways, line, slow);
    this.#locator = new Locator({
      ways,
      onTrouble,
      onLocated: () => {
        line.follow(ways.interfaces);
      },
    });
    this.#schedule = new Schedule({
      clock,
      // Some ports are left for checks that Node.js makes.
      room: () => Math.min(Math.ceil((ports() * 15) / 16), ports() - slow.connections) - this.#inAir,
      begin: (probes, now) => {
        this.#begin(probes, now);
      },
    });
  }

  /**
   * Follows another desired model, in surroundings as they are now. A check that is the same keeps its state, and its next run. Costs
   * nothing when both are the same objects.
   */
  follow(model: Model, { state, own = [] }: Pick<World, 'state' | 'own'>): void {
    if (this.#isClosed) {
      return;
    }
    const world = { state, own: own.join() };
    const isMoved = state === undefined || this.#world?.state !== state || this.#world.own !== world.own;
    this.#world = world;
    if (isMoved && this.#roster.wishes.size > 0) {
      this.#locator.soon();
    }
    if (this.#model !== model) {
      this.#model = model;
      this.#followModel(model);
    }
  }

  #followModel(model: Model): void {
    const now = this.#options.clock();
    const hadWishes = this.#roster.wishes.size > 0;
    const changes = this.#roster.follow(model, now);
    const { born, gone } = changes;
    const { ways, line } = this.#runner;
    for (const probe of gone) {
      this.#stop(probe);
      probe.exchange?.drop();
    }
    for (const probe of born) {
      if (probe.flaw === undefined) {
        this.#schedule.add(probe, probe.first(now, Math.random(), born.length));
      }
    }
    if (gone.length > 0) {
      this.#schedule.prune(this.#roster.probes);
    }
    const { wishes, needsWire } = this.#roster;
    const areVipsOther = ways.want(wishes, vipsOf(model));
    line.want(needsWire ? (model.health?.ports ?? DEFAULT_RANGE) : undefined);
    if (born.length > 0 || gone.length > 0) {
      this.#locator.now(wishes.size > 0);
    }
    if (areVipsOther && hadWishes) {
      this.#locator.soon();
    }
    this.#verdicts.tellFollowed(changes);
  }

  readonly healthOf: HealthOf = (service, address) => this.#roster.healthOf(service, address);

  /** The same object while `healthOf` gives the same for all real servers of a service; undefined: none is checked. */
  readonly stateOf = (service: string): object | undefined => this.#roster.stateOf(service);

  all(): readonly ServerHealth[] {
    return this.#roster.servers.map(({ health }) => health);
  }

  /** What the next daemon should know, as plain data. */
  get kept(): KeptHealth {
    return { boot: this.#boot, servers: this.#roster.servers.map(({ kept }) => kept) };
  }

  /** For tests and people: reads the wire's whole table. */
  get usage(): CheckerUsage {
    const { ways, line } = this.#runner;
    const { probes } = this.#roster;
    const { interfaces } = ways;
    return { inAir: this.#inAir, ended: this.#ended, probes: probes.length, interfaces, wire: line.wire?.checks.usage };
  }

  /** Runs all checks of a real server now, beside their schedule, and changes no state. Undefined: it is not checked. */
  async checkNow(service: string, address: IpAddress): Promise<readonly NowReport[] | undefined> {
    const server = this.#roster.server(service, address);
    return server && Promise.all(server.watches.map(({ planned }) => checkOnce(this.#runner, planned)));
  }

  /** Ends all checks, detaches the programs, and removes the neighbour entries that were made for checks. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#schedule.close();
    for (const probe of this.#roster.probes) {
      probe.isGone = true;
      this.#stop(probe);
    }
    await this.#runner.line.close();
    await this.#locator.close();
    await this.#runner.ways.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(probes: readonly Probe[], now: number): void {
    for (const probe of probes) {
      try {
        this.#run(probe, now);
      } catch (error) {
        this.#fail(probe, error);
      }
    }
    try {
      this.#runner.board?.flush();
    } catch (error) {
      probes
        .filter(({ isRunning, exchange }) => isRunning && exchange !== undefined)
        .forEach((probe) => {
          this.#fail(probe, error);
        });
    }
    this.#verdicts.tell();
  }

  #run(probe: Probe, now: number): void {
    const course = this.#runner.courseOf(probe);
    if (course === SOON) {
      this.#schedule.add(probe, now + SOON_MS);
      return;
    }
    // What a stall made late is soon over.
    const isFull = now - this.#schedule.fullAt < FULL_MS;
    if (isFull || this.#lateness.isTold) {
      this.#lateness.note(isFull && probe.began > 0 ? now - probe.began - probe.intervalMs : 0, probe.intervalMs);
    }
    probe.began = now;
    if (course !== undefined && 'trouble' in course) {
      this.#notMade(probe, course.trouble, course.common);
      return;
    }
    probe.isRunning = true;
    if (probe.exchange !== undefined) {
      this.#inAir += 1;
      probe.exchange.begin(this.#runner.board!, course!);
      return;
    }
    probe.cancel = this.#runner.startSlow(probe, course, (result) => {
      this.#stop(probe);
      this.#judge(probe, (watch) => {
        this.#verdicts.judgeSlow(watch, result);
      });
      this.#verdicts.tell();
    });
  }

  /** An exception in one run costs the others nothing, and the check is made again. */
  #fail(probe: Probe, error: unknown): void {
    this.#options.onTrouble(FAILED, { check: probe.run, error: String(error) });
    this.#stop(probe);
    this.#notMade(probe, FAILED, true);
  }

  #take(results: readonly CheckResult[]): void {
    this.#runner.board?.deliver(results, (error) => {
      this.#options.onTrouble(FAILED, { error: String(error) });
    });
    this.#verdicts.tell();
  }

  /** The end of a run by the wire. */
  #onEnd(probe: Probe, ended: Ended): void {
    this.#stop(probe);
    if ('trouble' in ended) {
      // The address that it comes from, or the interface, may be gone.
      this.#locator.soon();
      this.#notMade(probe, ended.trouble, true);
      return;
    }
    if (ended.outcome.words === NOT_VIP) {
      this.#locator.soon();
    }
    const { outcome } = ended;
    this.#judge(probe, (watch) => {
      this.#verdicts.judge(watch, outcome);
    });
  }

  #notMade(probe: Probe, trouble: string, isCommon: boolean): void {
    this.#judge(probe, (watch) => {
      this.#verdicts.setTrouble(watch, trouble, isCommon);
    });
  }

  /** Tells all who want a probe what came of it, and has it made again whatever comes of that. */
  #judge(probe: Probe, judge: (watch: Watch) => void): void {
    try {
      // Whoever is told may have another model followed, in which some of them are no more.
      (probe.watches.length === 1 ? probe.watches : [...probe.watches]).forEach(judge);
    } finally {
      this.#again(probe);
    }
  }

  #again(probe: Probe): void {
    if (!probe.isGone) {
      const now = this.#options.clock();
      this.#schedule.add(probe, probe.next(now, Math.random()));
    }
  }

  /** A probe runs no more. */
  #stop(probe: Probe): void {
    if (probe.isRunning) {
      probe.isRunning = false;
      this.#ended += 1;
      this.#inAir -= probe.exchange === undefined ? 0 : 1;
      probe.cancel?.();
      probe.cancel = undefined;
    }
  }

  /** The wire goes: what is in the air is done again over the next one. */
  #lose(): void {
    this.#runner.board = undefined;
    const now = this.#options.clock();
    for (const probe of this.#roster.probes) {
      probe.exchange?.forget();
      if (probe.isRunning && probe.needsWire) {
        this.#stop(probe);
        this.#schedule.add(probe, probe.first(now, Math.random()));
      }
    }
  }
}
