/** The data path as the daemon uses it: adopt or create, publish, attach, count, explain, remove. */

import {
  type CompiledService,
  featureNames,
  type Geometry,
  type Ghost,
  type Image,
  type Numbering,
  withoutLeaving,
} from '../image/index.js';
import type { BpfProgram, XdpMode } from '../libbpf/index.js';
import { BeelineError, type Family, familyOf, type Interface } from '../model/index.js';
import { bootTimeMs } from '../native/index.js';
import type { Store } from '../store/index.js';
import type { AttachOptions } from './attach.js';
import { type Counters, type FlowTotals, readFlowTotals } from './counters.js';
import type { Explanation } from './explain/explanation.js';
import { ExplainerOnDemand } from './explain/on-demand.js';
import type { FlowEntry } from './flows/entry.js';
import {
  type FlowCounts,
  type FlowFilter,
  type FlowSums,
  flowNow,
  listFlows,
  readFlowCounts,
  summarizeFlows,
} from './flows/flows.js';
import { type KeptTimeouts, PastTimeouts } from './flows/past-timeouts.js';
import { FlowHandOver } from './flows/hand-over.js';
import type { FlowStatistics } from './flows/sweep.js';
import { lifetimesOf } from './flows/timeouts.js';
import { EarlyFragments } from './fragments/early.js';
import type { Histories } from './histories.js';
import { Leaving } from './leaving.js';
import { type Attachment, Links } from './links.js';
import { rememberObjects } from './maps/load.js';
import { MapSet } from './maps/map-set.js';
import { MoveTracker } from './move-tracker.js';
import { ensurePinDirectory, listSets, removePins, setPath } from './pins.js';
import { endsWithNamespace } from './private-mount.js';
import { Publisher } from './publish/publisher.js';

/** Longer than a script takes to rebuild its services. */
const SURPLUS_MS = 10_000;

export interface DataPlaneOptions {
  /** director.bpf.o */
  readonly objectPath: string;
  /** explain.bpf.o */
  readonly explainPath: string;
  /** The director's folder in the BPF file system. */
  readonly pinDirectory: string;
  /** Keeps earlier configurations, as far as flows depend on them; undefined: nothing does. */
  readonly histories?: Store<Histories>;
  /** Keeps earlier timeouts, which flows have until their next packet; undefined: nothing does. */
  readonly timeouts?: Store<KeptTimeouts>;
  /** Called with what was found and done, for the log. */
  readonly onEvent?: (message: string, details: Record<string, unknown>) => void;
}

/** The result of a sweep, and whether another publication should follow. */
export interface Swept {
  readonly flows: FlowStatistics;
  /** The image changes: slots have no flows any more. */
  readonly changesMoves: boolean;
  /** The same image frees numbers that rest. */
  readonly endsRests: boolean;
}

/**
 * Everything that packets need is pinned, so that it outlives this process, and is in place before what it replaces is
 * removed: every packet finds a program and a whole set of tables.
 *
 * Calls must not overlap: the daemon's reconcile loop makes one at a time.
 */
export class DataPlane implements Disposable {
  readonly #options: DataPlaneOptions;
  readonly #publisher: Publisher;
  readonly #moves: MoveTracker;
  readonly #leaving = new Leaving();
  readonly #past: PastTimeouts;
  readonly #links: Links;
  readonly #explainer: ExplainerOnDemand;
  readonly #early: EarlyFragments;
  /** Flows as two directors tell each other of them. */
  readonly handOver = new FlowHandOver((work) => this.#publisher.betweenSweeps(work));
  /** The numbers of the pinned sets; the last one, if any, is in use, and one before it has what that lacks. */
  #pinnedSets: number[];
  #endsWithNamespace: boolean;

  /**
   * Adopts what an earlier process left, maps, numbers and counters, under a program that it loads again. Maps of another
   * version stay with their program until the first `publish` replaces both.
   *
   * @throws BeelineError `PINS_UNUSABLE`, `PINS_FOREIGN`, `PROGRAM_REFUSED`, `NOT_BUILT`
   */
  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { objectPath, pinDirectory } = options;
    ensurePinDirectory(pinDirectory);
    rememberObjects(objectPath, options.explainPath);
    this.#endsWithNamespace = endsWithNamespace(pinDirectory);
    this.#pinnedSets = listSets(pinDirectory);
    this.#links = new Links(pinDirectory);
    this.#explainer = new ExplainerOnDemand(options.explainPath, () => {
      const { set, image, numbering } = this.#publisher;
      return set === undefined || image === undefined ? undefined : { set, image, numbering };
    });
    this.#early = new EarlyFragments({
      image: () => this.image,
      onEvent: (message, details) => {
        this.#event(message, details);
      },
    });
    const adopted = this.#adopt();
    if (adopted?.outgrown !== undefined) {
      this.#event('found maps that larger ones replaced, with flows that are not in those yet', {});
    }
    this.#past = new PastTimeouts(options.timeouts, adopted !== undefined);
    this.#publisher = new Publisher({
      create: (geometry, features, before) => {
        this.#event('making new maps', { ...geometry, features: featureNames(features) });
        return MapSet.create(objectPath, geometry, features, before);
      },
      reload: (from, features) => {
        this.#event('loading the program for other features', { features: featureNames(features) });
        return MapSet.reload(objectPath, from, features);
      },
      install: (set, keepsBefore) => {
        this.#install(set, keepsBefore ? this.#pinnedSets.slice(-1) : [], this.#publisher.set);
      },
      retire: () => {
        this.#unpinAllBut(this.#pinnedSets.slice(-1));
      },
      past: this.#past,
      surplusMs: SURPLUS_MS,
      onTrouble: (message, error) => {
        this.#event(message, { err: error });
      },
      ...(adopted && { adopted: adopted.set }),
      ...(adopted?.outgrown && { outgrown: adopted.outgrown }),
    });
    this.#moves = new MoveTracker(options.histories, adopted !== undefined);
  }

  /** Adopts the set whose program the links hold; without links, the newest. With it the one that it outgrew. */
  #adopt(): { readonly set: MapSet; readonly outgrown: MapSet | undefined } | undefined {
    const inUse = this.#links.programIds();
    for (const number of this.#pinnedSets.toReversed()) {
      const found = MapSet.open(setPath(this.#options.pinDirectory, number));
      if (typeof found === 'string') {
        this.#event('found pinned maps that cannot be adopted; they serve until new ones do, which count from zero', {
          number,
          reason: found,
        });
        continue;
      }
      using old = found;
      if (inUse.size > 0 && !inUse.has(old.program.info.id)) {
        continue;
      }
      const outgrown = this.#openOutgrown(old, number);
      const set = MapSet.reloadNow(this.#options.objectPath, old, old.control.features);
      this.#install(set, outgrown === undefined ? [] : [outgrown.number]);
      this.#event('adopted the pinned maps', { generation: Number(set.control.generation) });
      return { set, outgrown: outgrown?.set };
    }
    return undefined;
  }

  /**
   * Opens the set that another one replaced, if the process that did it ended before it could bring over everything: else
   * its pins are gone. A set above it that packets never followed is not one.
   */
  #openOutgrown(by: MapSet, byNumber: number): { readonly set: MapSet; readonly number: number } | undefined {
    let found: { readonly set: MapSet; readonly number: number } | undefined;
    for (const number of this.#pinnedSets.filter((each) => each < byNumber).toReversed()) {
      const set = MapSet.open(setPath(this.#options.pinDirectory, number));
      if (typeof set === 'string') {
        continue;
      }
      if (set.hasMapsOf(by)) {
        // The same maps under a program before: only what is older than all of these was replaced by them.
        found?.set.close();
        found = undefined;
        set.close();
      } else if (found === undefined) {
        found = { set, number };
      } else {
        set.close();
      }
    }
    return found;
  }

  /**
   * Pins a set, moves the links to its program, and removes the pins of all others.
   *
   * @param kept the numbers of sets that stay
   * @param before what packets follow until now, if this process has it
   */
  #install(set: MapSet, kept: readonly number[], before?: MapSet): void {
    const { pinDirectory } = this.#options;
    this.#links.dropDead();
    const number = (this.#pinnedSets.at(-1) ?? 0) + 1;
    try {
      set.pin(setPath(pinDirectory, number));
      this.#links.update(set.program);
    } catch (error) {
      // Some links may hold the new program already: packets of all interfaces follow the same tables.
      if (before !== undefined) {
        this.#attempt('cannot give an interface its program of before', () => {
          this.#links.update(before.program);
        });
      }
      MapSet.unpin(setPath(pinDirectory, number));
      throw error;
    }
    // Packets follow the new set from here on: what fails now must not undo that.
    this.#pinnedSets = [...this.#pinnedSets, number];
    this.#attempt('cannot remove pins of before', () => {
      this.#unpinAllBut([...kept, number]);
    });
    this.#explainer.close();
    this.#attempt('cannot keep fragments that come before their first one', () => {
      this.#early.follow(set);
    });
  }

  #attempt(message: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#event(message, { err: error });
    }
  }

  /** The newest first: if this process ends amid it, the oldest of those with the same maps tells which others are older. */
  #unpinAllBut(kept: readonly number[]): void {
    for (const stale of this.#pinnedSets.filter((each) => !kept.includes(each)).toReversed()) {
      MapSet.unpin(setPath(this.#options.pinDirectory, stale));
    }
    this.#pinnedSets = [...kept];
  }

  /** Prepares for so many more destinations: the next maps, if others are needed, have room for them. */
  expect(destinations: number): void {
    this.#publisher.expected = destinations;
  }

  /** Begins to make maps while something else is waited for; see Publisher. */
  prepare(expected: Image): void {
    this.#publisher.prepare(expected);
  }

  /** Publishes an image; see Publisher. */
  async publish(image: Image): Promise<void> {
    try {
      await this.#publisher.publish(image);
      this.#leaving.confirm();
      this.#moves.confirm(bootTimeMs(), () => this.counters());
    } catch (error) {
      this.#moves.revert();
      await this.#moves.keep();
      throw error;
    }
  }

  /**
   * Adds to an image what flows of before need: the previous owners of moved slots, and the destinations that left a moment
   * ago. Resolves when the former would survive a crash, so that packets may see it.
   */
  async withPast(image: Image): Promise<Image> {
    const { set, image: before } = this.#publisher;
    // What a set has counted that this process did not publish says nothing of the epochs.
    const isKnown = set === undefined || before !== undefined;
    // First those that left: their slots' flows wait for them too, where flows have no entries.
    const all = this.#leaving.apply(image, this.#publisher.numbering, performance.now());
    const result = this.#moves.attach(all, bootTimeMs(), isKnown ? () => this.#publisher.counters() : undefined);
    await this.#moves.keep();
    return result;
  }

  /** When moved slots will change by themselves, in milliseconds since the machine started; Infinity: never. */
  get movesUntil(): number {
    return this.#moves.until;
  }

  /**
   * Looks at all flows: ends those that are over, and corrects the destinations' loads.
   *
   * @returns the statistics, and whether they change the image; undefined before the first publication
   */
  async sweep(): Promise<Swept | undefined> {
    const moved = this.image?.services.filter(({ previous, tracks }) => previous !== undefined && !tracks) ?? [];
    const flows = await this.#publisher.sweep(moved);
    if (flows === undefined) {
      return undefined;
    }
    let changesMoves = false;
    for (const compiled of moved) {
      const occupied = flows.occupied.get(compiled.name);
      changesMoves = (occupied !== undefined && this.#moves.setOccupied(compiled, occupied)) || changesMoves;
    }
    return { flows, changesMoves, endsRests: this.isDue };
  }

  /** Whether flows should be looked at soon, since tables fill: see Extents. */
  get isSweepDue(): boolean {
    return this.#publisher.isSweepDue;
  }

  /** Whether an image should be published although it is the same: numbers of what is gone can be freed, or flows of it go on. */
  get isDue(): boolean {
    return this.#publisher.isDue || this.#leaving.isDue(performance.now());
  }

  /** Returns how many flows and templates are left of each service that is gone; see Image.ghosts. */
  get ghostFlows(): ReadonlyMap<string, number> {
    return this.#publisher.ghostFlows;
  }

  /** Returns how many flows each destination has, by service and in the image's order; no system call. */
  flowCounts(): ReadonlyMap<string, readonly FlowCounts[]> {
    const { set, image, numbering } = this.#publisher;
    return set === undefined || image === undefined ? new Map() : readFlowCounts(set, image.services, numbering);
  }

  /** Returns the counters of the flow tables since they were made. */
  flowTotals(): FlowTotals {
    const { set } = this.#publisher;
    return set === undefined ? { stored: 0, evicted: 0, refused: 0 } : readFlowTotals(set.memory);
  }

  /** Returns a page of flows; see listFlows. Services and destinations have their numbers in `numbering`. */
  listFlows(family: Family, filter: FlowFilter, from: number, limit: number): ReturnType<typeof listFlows> {
    const { set } = this.#publisher;
    return set === undefined
      ? Promise.resolve({ flows: [], next: undefined })
      : listFlows(set, family, filter, from, limit);
  }

  /**
   * Returns after how many seconds without a packet a flow ends: the timeout that held at its last packet, or a shorter one
   * while the table is full.
   */
  timeoutOf(
    { name, service }: { readonly name: string; readonly service: Ghost['policy'] },
    { state, time, client }: FlowEntry,
  ): number {
    const { set, image } = this.#publisher;
    if (set === undefined || image === undefined) {
      return 0;
    }
    const own = this.#past.timeout(name, lifetimesOf(service, image.timeouts), state, time, flowNow(set));
    return this.#publisher.pressure.shortenOne(own, state, familyOf(client) === 4 ? 'ipv4' : 'ipv6');
  }

  /** Returns how many flows each state has, and the clients with the most; see summarizeFlows. */
  async summarizeFlows(family: Family, filter: FlowFilter, limit: number): Promise<FlowSums> {
    const { set } = this.#publisher;
    return set === undefined ? { states: {}, topClients: [] } : summarizeFlows(set, family, filter, limit);
  }

  /**
   * Returns what program and oracle would do with a frame that arrives now. It changes nothing. The first call loads a
   * program, and so does the first after a change of features or table sizes.
   *
   * @param ifindex the interface that it arrives by
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`; KernelError `ENODEV`
   */
  explain(frame: Uint8Array, ifindex: number): Promise<Explanation> {
    return this.#explainer.explain(frame, ifindex);
  }

  /** The numbers of services and destinations in the maps. */
  get numbering(): Numbering {
    return this.#publisher.numbering;
  }

  /** The features that the last image needs; see Publisher. */
  get needed(): number {
    return this.#publisher.needed;
  }

  /** The image that this process published last; undefined before the first time. */
  get image(): Image | undefined {
    return this.#publisher.image;
  }

  /** The services of that image, without destinations that left them. */
  get services(): readonly CompiledService[] {
    return (this.image?.services ?? []).map(withoutLeaving);
  }

  get geometry(): Geometry | undefined {
    return this.#publisher.set?.geometry;
  }

  /** The number of publications since the maps were made, by any process. */
  get generation(): number {
    return Number(this.#publisher.set?.control.generation ?? 0n);
  }

  /** The kernel's id of the program that packets run through. */
  get programId(): number | undefined {
    return this.#publisher.set?.program.info.id;
  }

  counters(): Counters {
    const counters = this.#publisher.counters();
    this.#moves.note(counters, bootTimeMs());
    return counters;
  }

  /**
   * Attaches the program to an interface, if it is not yet. Publish first: what is attached must have tables.
   *
   * @throws BeelineError `XDP_REFUSED`, `XDP_NATIVE_REFUSED`
   */
  attach(target: Interface, options: AttachOptions): Attachment {
    const onFallback = (mode: XdpMode): void => {
      this.#event('attached as before, since the new mode was refused', { interface: target.name, mode });
    };
    return this.#links.attach(() => this.#requireProgram(), target, options, onFallback);
  }

  #requireProgram(): BpfProgram {
    const program = this.#publisher.set?.program;
    if (program === undefined) {
      throw new BeelineError('INTERNAL', 'nothing was published yet, so there is no program to attach');
    }
    return program;
  }

  /** The indices of the interfaces that the program is attached to, including those that have vanished since. */
  get attachedTo(): readonly number[] {
    return this.#links.interfaces;
  }

  /** Returns whether the program is attached to an interface: others can detach it. */
  isAttached(ifindex: number): boolean {
    return this.#links.isAttached(ifindex);
  }

  /** Returns whether the program leaves an interface, for a moment or longer, if it is attached to these alone and in this mode. */
  interrupts(wanted: readonly Interface[], mode: AttachOptions['mode']): boolean {
    return this.#links.interrupts(wanted, mode);
  }

  /** Detaches the program from an interface, also if that is gone. */
  detach(ifindex: number): void {
    this.#links.detach(ifindex);
  }

  /**
   * Pins again what was removed by hand: without its pins, forwarding would end with this process. Returns the names of the pins.
   *
   * @throws BeelineError `PINS_UNUSABLE`; KernelError
   */
  mendPins(): string[] {
    const { pinDirectory } = this.#options;
    const number = this.#pinnedSets.at(-1);
    const { set } = this.#publisher;
    if (set === undefined || number === undefined) {
      return [];
    }
    ensurePinDirectory(pinDirectory);
    const [links, maps] = [this.#links.mendPins(), set.mendPins(setPath(pinDirectory, number))];
    const mended = [...links, ...maps.map((name) => `set-${number}/${name}`)];
    if (mended.length > 0) {
      // It may be another file system.
      this.#endsWithNamespace = endsWithNamespace(pinDirectory);
    }
    return mended;
  }

  /** Whether pins, and forwarding with them, end with the mount namespace of this process. */
  get endsWithNamespace(): boolean {
    return this.#endsWithNamespace;
  }

  /** Detaches the program from all interfaces and removes all pins: nothing of the director stays on the host. */
  async remove(): Promise<void> {
    this.close();
    await this.#moves.remove();
    await this.#past.remove();
    removePins(this.#options.pinDirectory);
  }

  /** Closes all handles. Packets are forwarded as before. */
  close(): void {
    this.#links.close();
    this.#explainer.close();
    this.#early.close();
    this.#publisher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #event(message: string, details: Record<string, unknown>): void {
    this.#options.onEvent?.(message, details);
  }
}
