/** The data path as the daemon sees it: adopted or made new, published to, attached, counted, removed. */

import { unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { featureNames, type Geometry, type Image, type Numbering } from '../image/index.js';
import type { XdpLink, XdpMode } from '../libbpf/index.js';
import { BeelineError, type Interface } from '../model/index.js';
import type { Store } from '../store/index.js';
import { attach, attachedMode, type AttachOptions } from './attach.js';
import type { Counters } from './counters.js';
import { Explainer } from './explainer.js';
import { explainOnce, type Explanation } from './explanation.js';
import {
  type FlowCounts,
  type FlowFilter,
  type FlowStatistics,
  type FlowSums,
  type FlowTotals,
  listFlows,
  readFlowCounts,
  summarizeFlows,
} from './flows.js';
import { MapSet } from './map-set.js';
import { type Histories, MoveTracker } from './move-tracker.js';
import { ensurePinDirectory, linkPath, listLinks, listSets, openLink, removePins, setPath } from './pins.js';
import { Publisher } from './publisher.js';

export interface DataPlaneOptions {
  /** director.bpf.o */
  readonly objectPath: string;
  /** explain.bpf.o */
  readonly explainPath: string;
  /** The director's own folder in the BPF file system. */
  readonly pinDirectory: string;
  /** Keeps earlier configurations, as far as flows depend on them; undefined: nothing does. */
  readonly histories?: Store<Histories>;
  /** Told in words what was found and done; for the log. */
  readonly onEvent?: (message: string, details: Record<string, unknown>) => void;
}

/** After which program and oracle are asked once more when they differ: longer than a publication is under way. */
const ASK_AGAIN_MS = 50;

export interface Attachment {
  readonly mode: XdpMode;
  /** An earlier process attached it. */
  readonly adopted: boolean;
  /** With mode `auto`: what the driver said to native mode. */
  readonly nativeRefusal?: string;
}

/**
 * Everything that packets need is pinned, so that it outlives this process, and is put in place before what it replaces
 * is taken away: at no moment is there a packet without a program and a whole set of tables.
 *
 * Calls must not overlap: the daemon's reconcile loop makes one at a time.
 */
export class DataPlane implements Disposable {
  readonly #options: DataPlaneOptions;
  readonly #publisher: Publisher;
  readonly #moves: MoveTracker;
  readonly #links = new Map<number, { link: XdpLink; mode: XdpMode | undefined }>();
  /** The second program over the set in use, once somebody asked for it. */
  #explainer: { readonly set: MapSet; readonly loaded: Promise<Explainer> } | undefined;
  /** The numbers of the sets that are pinned; the last is in use once there is one. */
  #pinnedSets: number[];

  /**
   * Finds what an earlier process left, and carries on with it: its maps, numbers and counters, under a program loaded
   * anew. Maps of another version are left to their program until the first `publish` replaces both.
   *
   * @throws BeelineError `PINS_UNUSABLE`, `PINS_FOREIGN`, `PROGRAM_REFUSED`, `NOT_BUILT`
   */
  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { objectPath, pinDirectory } = options;
    ensurePinDirectory(pinDirectory);
    this.#pinnedSets = listSets(pinDirectory);
    for (const ifindex of listLinks(pinDirectory)) {
      this.#openLink(ifindex);
    }
    const adopted = this.#adopt();
    this.#publisher = new Publisher({
      create: (geometry, features, before) => {
        this.#event('making new maps', { ...geometry, features: featureNames(features) });
        return MapSet.create(objectPath, geometry, features, before);
      },
      reload: (from, features) => {
        this.#event('loading the program for other features', { features: featureNames(features) });
        return MapSet.reload(objectPath, from, features);
      },
      install: (set) => {
        this.#install(set);
      },
      ...(adopted && { adopted }),
    });
    this.#moves = new MoveTracker(options.histories, adopted !== undefined);
  }

  #openLink(ifindex: number): void {
    const link = openLink(this.#options.pinDirectory, ifindex);
    const { ifindex: actual, programId } = link.info;
    if (actual === ifindex) {
      this.#links.set(ifindex, { link, mode: attachedMode(programId, ifindex) });
    } else {
      // The interface is gone, and with it the attachment.
      link.close();
      unlinkSync(linkPath(this.#options.pinDirectory, ifindex));
    }
  }

  /** The set that packets run on is the one whose program the links hold; without links, the newest. */
  #adopt(): MapSet | undefined {
    const inUse = new Set([...this.#links.values()].map(({ link }) => link.info.programId));
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
      const set = MapSet.reload(this.#options.objectPath, old, old.features);
      this.#install(set);
      this.#event('adopted the pinned maps', { generation: Number(set.generation) });
      return set;
    }
    return undefined;
  }

  /** Pins a set, moves the links to its program, and drops the pins of all others. */
  #install(set: MapSet): void {
    const { pinDirectory } = this.#options;
    this.#dropDeadLinks();
    const number = (this.#pinnedSets.at(-1) ?? 0) + 1;
    try {
      set.pin(setPath(pinDirectory, number));
      for (const { link } of this.#links.values()) {
        link.update(set.program);
      }
    } catch (error) {
      // Some links may hold the new program already: they go on with it. Nobody will look for its pins.
      MapSet.unpin(setPath(pinDirectory, number));
      throw error;
    }
    for (const stale of this.#pinnedSets) {
      MapSet.unpin(setPath(pinDirectory, stale));
    }
    this.#pinnedSets = [number];
    this.#dropExplainer();
  }

  /** Lets go of links whose interface is gone: they can be given no program. */
  #dropDeadLinks(): void {
    for (const [ifindex, { link }] of this.#links) {
      if (link.info.ifindex === 0) {
        this.detach(ifindex);
      }
    }
  }

  /** Puts an image before the packets; see Publisher. */
  async publish(image: Image): Promise<void> {
    try {
      await this.#publisher.publish(image);
    } catch (error) {
      this.#moves.revert();
      await this.#moves.keep();
      throw error;
    }
  }

  /**
   * Adds to an image the previous owners of moved slots. Resolves when that would survive a crash, so that packets may
   * see it.
   */
  async withMoves(image: Image): Promise<Image> {
    const result = this.#moves.attach(image, Date.now());
    await this.#moves.keep();
    return result;
  }

  /** When moved slots will change by themselves, in milliseconds of the wall clock; Infinity for never. */
  get movesUntil(): number {
    return this.#moves.until;
  }

  /**
   * Looks at all flows: forgets what is over and sets the destinations' loads right.
   *
   * @returns what it found, and whether another image follows from it; undefined before the first publication
   */
  async sweep(): Promise<{ readonly flows: FlowStatistics; readonly changesMoves: boolean } | undefined> {
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
    return { flows, changesMoves };
  }

  /** How many flows each destination has at this moment, by service and in the image's order; no system call. */
  flowCounts(): ReadonlyMap<string, readonly FlowCounts[]> {
    const { set, image, numbering } = this.#publisher;
    return set === undefined || image === undefined ? new Map() : readFlowCounts(set, image.services, numbering);
  }

  /** What the data path did to the tables of flows since they were made. */
  flowTotals(): FlowTotals {
    const [stored = 0, evicted = 0, refused = 0] = this.#publisher.set?.readFlowCounters() ?? [];
    return { stored, evicted, refused };
  }

  /** A page of flows; see listFlows. Services and destinations by their numbers in `numbering`. */
  listFlows(family: 4 | 6, filter: FlowFilter, from: number, limit: number): ReturnType<typeof listFlows> {
    const { set } = this.#publisher;
    return set === undefined
      ? Promise.resolve({ flows: [], next: undefined })
      : listFlows(set, family, filter, from, limit);
  }

  /** How many flows there are in each state, and the clients with the most; see summarizeFlows. */
  async summarizeFlows(family: 4 | 6, filter: FlowFilter, limit: number): Promise<FlowSums> {
    const { set } = this.#publisher;
    return set === undefined ? { states: {}, topClients: [] } : summarizeFlows(set, family, filter, limit);
  }

  /**
   * What would become of a frame that comes at this moment, by program and oracle; nothing is changed by it. The first call
   * loads a program, and so does the first after a change of features or table sizes.
   *
   * @param ifindex of the interface that it came by
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`; KernelError `ENODEV`
   */
  async explain(frame: Uint8Array, ifindex: number): Promise<Explanation> {
    const first = await this.#explain(frame, ifindex);
    if (first.differences.length === 0) {
      return first;
    }
    // A packet may have come in between, or a publication be under way.
    await sleep(ASK_AGAIN_MS);
    return this.#explain(frame, ifindex);
  }

  async #explain(frame: Uint8Array, ifindex: number): Promise<Explanation> {
    for (;;) {
      const { set, image: published } = this.#publisher;
      if (set === undefined || published === undefined) {
        throw new BeelineError('INTERNAL', 'nothing was published yet, so there is nothing to explain');
      }
      const explainer = await this.#explainerFor(set);
      const { image, numbering } = this.#publisher;
      // While it was being loaded packets may have gone over to another program.
      if (image !== undefined && this.#publisher.set === set) {
        return explainOnce(explainer, { set, image, numbering }, frame, ifindex);
      }
    }
  }

  async #explainerFor(set: MapSet): Promise<Explainer> {
    if (this.#explainer?.set !== set) {
      this.#dropExplainer();
      this.#explainer = { set, loaded: Explainer.load(this.#options.explainPath, set) };
    }
    const { loaded } = this.#explainer;
    try {
      return await loaded;
    } catch (error) {
      this.#explainer = undefined;
      throw error;
    }
  }

  #dropExplainer(): void {
    this.#explainer?.loaded.then(
      (explainer) => {
        explainer.close();
      },
      // Whoever waited for it was told.
      () => undefined,
    );
    this.#explainer = undefined;
  }

  /** Under which numbers services and destinations stand in the tables. */
  get numbering(): Numbering {
    return this.#publisher.numbering;
  }

  /** What was published last by this process; undefined before the first time. */
  get image(): Image | undefined {
    return this.#publisher.image;
  }

  get geometry(): Geometry | undefined {
    return this.#publisher.set?.geometry;
  }

  /** How often a configuration was published since the maps were made, by whatever process. */
  get generation(): number {
    return Number(this.#publisher.set?.generation ?? 0n);
  }

  /** The kernel's id of the program that packets run through. */
  get programId(): number | undefined {
    return this.#publisher.set?.program.info.id;
  }

  counters(): Counters {
    return this.#publisher.counters();
  }

  /**
   * Puts the program onto an interface, or finds it there. Publish first: what is attached has tables.
   *
   * @throws BeelineError `XDP_REFUSED`, `XDP_NATIVE_REFUSED`
   */
  attach(target: Interface, options: AttachOptions): Attachment {
    const existing = this.#links.get(target.ifindex);
    if (existing !== undefined) {
      const { mode, link } = existing;
      const attached = link.info.ifindex === target.ifindex;
      if (attached && mode !== undefined && (options.mode === 'auto' || options.mode === mode)) {
        return { mode, adopted: true };
      }
      this.detach(target.ifindex);
      try {
        return this.#attachAnew(target, options);
      } catch (error) {
        // The old mode worked: better that than nothing. The kernel has no way to change the mode in one step.
        if (attached && mode !== undefined) {
          this.#attachAnew(target, { mode, replace: false });
          this.#event('attached as before, since the new mode was refused', { interface: target.name, mode });
        }
        throw error;
      }
    }
    return this.#attachAnew(target, options);
  }

  #attachAnew(target: Interface, options: AttachOptions): Attachment {
    const program = this.#publisher.set?.program;
    if (program === undefined) {
      throw new BeelineError('INTERNAL', 'nothing was published yet, so there is no program to attach');
    }
    const { link, mode, nativeRefusal } = attach(program, target, options);
    link.pin(linkPath(this.#options.pinDirectory, target.ifindex));
    this.#links.set(target.ifindex, { link, mode });
    return { mode, adopted: false, ...(nativeRefusal !== undefined && { nativeRefusal }) };
  }

  /** The interfaces, by index, that the program is pinned to; also those that are gone since. */
  get attachedTo(): readonly number[] {
    return [...this.#links.keys()];
  }

  /** Whether the link to an interface holds at this moment: others can detach it. */
  isAttached(ifindex: number): boolean {
    return this.#links.get(ifindex)?.link.info.ifindex === ifindex;
  }

  /** Takes the program off an interface; also when the interface is gone. */
  detach(ifindex: number): void {
    const found = this.#links.get(ifindex);
    if (found === undefined) {
      return;
    }
    if (found.link.info.ifindex !== 0) {
      found.link.detach();
    }
    unlinkSync(linkPath(this.#options.pinDirectory, ifindex));
    found.link.close();
    this.#links.delete(ifindex);
  }

  /** Takes the program off all interfaces and removes all pins: the host is as it was before. */
  async remove(): Promise<void> {
    this.close();
    await this.#moves.remove();
    removePins(this.#options.pinDirectory);
  }

  /** Lets go of everything and leaves packets their way. */
  close(): void {
    for (const { link } of this.#links.values()) {
      link.close();
    }
    this.#links.clear();
    this.#dropExplainer();
    this.#publisher.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #event(message: string, details: Record<string, unknown>): void {
    this.#options.onEvent?.(message, details);
  }
}
