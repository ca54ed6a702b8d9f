/** The only writer of the maps: writes an image into the spare copy, then switches packets to it by one word. */

import { setTimeout as sleep } from 'node:timers/promises';

import {
  type CompiledService,
  fits,
  type Geometry,
  grow,
  type Image,
  NO_NUMBERS,
  type Numbering,
  type NumberSet,
  renumber,
  requiredGeometry,
  withGhosts,
} from '../../image/index.js';
import { synchronizeRcu } from '../../native/index.js';
import { CounterReader, type Counters, readFlowTotals } from '../counters.js';
import { Extents } from '../flows/extent.js';
import { flowNow } from '../flows/flows.js';
import type { BetweenSweeps } from '../flows/hand-over.js';
import { PastTimeouts } from '../flows/past-timeouts.js';
import { Pressure } from '../flows/pressure.js';
import { type FlowStatistics, sweep } from '../flows/sweep.js';
import type { MapSet } from '../maps/map-set.js';
import {
  beginDestination,
  beginService,
  readGhosts,
  readNumbering,
  setDestination,
  setService,
} from '../maps/numbers.js';
import { carryAllCounters, carryIdentities, carryLoads, copyFlows, keptNumbers, numbersIn } from './carry-over.js';
import { Contents } from './contents.js';
import { type Create, Preparation } from './preparation.js';
import { Resting } from './resting.js';
import { Surplus } from './surplus.js';

/** How long packets may still read the copy that they began with, if the kernel cannot tell. */
const GRACE_PERIOD_MS = 10;

/** How often to look whether a unit of the program's time, about a second, is over. */
const UNIT_POLL_MS = 20;

export interface PublisherOptions {
  readonly create: Create;
  /** Loads the program again, for other features, with the same maps. */
  readonly reload: (from: MapSet, features: number) => Promise<MapSet>;
  /**
   * Switches packets to a set that is filled. Called for each new set, before the one that it replaces is closed.
   *
   * @param keepsBefore the maps before hold what the new ones do not have yet: they must outlive this process until `retire`
   */
  readonly install: (set: MapSet, keepsBefore: boolean) => void;
  /** Lets go of the maps before: the new ones have all that they held. */
  readonly retire?: () => void;
  /** Maps that packets follow already. */
  readonly adopted?: MapSet;
  /** The maps before those, if the process that replaced them ended before it had brought everything over. */
  readonly outgrown?: MapSet;
  /** How long the number of a destination rests at least after it was removed. Default: as long as in IPVS. */
  readonly destinationRestMs?: number;
  /** How long the program keeps features that no image needs any more. Default: not at all. */
  readonly surplusMs?: number;
  /** Called when something failed that is tried again, and that packets do not depend on. */
  readonly onTrouble?: (message: string, error: unknown) => void;
  /** The timeouts of earlier images; by default none. */
  readonly past?: PastTimeouts;
}

/** What packets follow once it is published. */
interface Publication {
  readonly image: Image;
  readonly numbering: Numbering;
  readonly resting: Resting;
}

/** Maps that larger ones replaced. */
interface Outgrown {
  readonly set: MapSet;
  /** The numbers that mean the same in both. */
  readonly kept: NumberSet;
}

/** Calls of `publish` must not overlap. */
export class Publisher implements Disposable {
  readonly #options: PublisherOptions;
  readonly #past: PastTimeouts;
  #set: MapSet | undefined;
  #image: Image | undefined;
  /** The features that the image needs. Its own are those that the program has. */
  #needed = 0;
  #numbering: Numbering = new Map();
  /** Numbers that no longer belong to anything. They are free as soon as no packet can see them. */
  #retired: NumberSet = NO_NUMBERS;
  /** Loads were copied from other maps while packets still changed them there: a sweep must count them again. */
  #needsRecount = false;
  /** The maps before, until everything is brought over that packets left in them to the end. */
  #outgrown: Outgrown | undefined;
  #resting: Resting;
  #contents = new Contents();
  #grace: Promise<unknown> = Promise.resolve();
  readonly #counters = new CounterReader();
  /** How full the flow tables are, and what follows for timeouts. */
  readonly pressure = new Pressure();
  readonly #extents = new Extents();
  /** How many more destinations are about to come. */
  expected = 0;
  #sweeps: Promise<unknown> = Promise.resolve();
  readonly #preparation: Preparation;
  readonly #surplus: Surplus;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#past = options.past ?? new PastTimeouts();
    this.#preparation = new Preparation(options.create);
    this.#surplus = new Surplus(options.surplusMs);
    this.#set = options.adopted;
    const { adopted, outgrown, destinationRestMs } = options;
    // A process that ended while it replaced these maps may have left them held.
    adopted?.control.holdFlows(false);
    this.#numbering = adopted === undefined ? new Map() : readNumbering(adopted.memory);
    this.#outgrown = outgrown && { set: outgrown, kept: keptNumbers(readNumbering(outgrown.memory), this.#numbering) };
    this.#resting = new Resting(adopted === undefined ? new Map() : readGhosts(adopted.memory), destinationRestMs);
  }

  /** The maps that packets read; undefined before the first publication of a new director. */
  get set(): MapSet | undefined {
    return this.#set;
  }

  /** The features that the last image needs: the program may have more for a time, and the image tells those. */
  get needed(): number {
    return this.#needed;
  }

  /** The image that was published last; undefined before the first time, also if maps were adopted. */
  get image(): Image | undefined {
    return this.#image;
  }

  /** The numbers of services and destinations in the maps, also of those that are gone and have flows still. */
  get numbering(): Numbering {
    return this.#numbering;
  }

  /** Whether the same image should be published again: numbers of what is gone can be freed, or features go. */
  get isDue(): boolean {
    const now = performance.now();
    return this.#resting.isDue(this.#image, now) || this.#surplus.isDue(now);
  }

  /** Whether flows should be looked at soon: a table may be more than half full, or flows are to be moved. */
  get isSweepDue(): boolean {
    return this.#set !== undefined && this.#extents.isDue(this.#set, readFlowTotals(this.#set.memory).stored);
  }

  /** How many flows and templates each ghost of the image had at the last sweep. */
  get ghostFlows(): ReadonlyMap<string, number> {
    return this.#resting.flows;
  }

  /**
   * Publishes an image. Each packet follows the old image or the new one as a whole.
   *
   * Resolves when packets follow the new image. If packets may still read the copy to write, which is so for some
   * milliseconds after the last call, it first waits for them.
   *
   * @throws BeelineError `PROGRAM_REFUSED` or `TABLE_FULL` if larger tables are needed and the kernel refuses them; the
   *   old image then stays
   */
  async publish(compiled: Image): Promise<void> {
    const grace = this.#grace;
    this.#grace = Promise.resolve();
    await grace;
    // Of a process before this one, or of a publication whose end failed: before any number is freed or given away.
    await this.#bringRest();
    // If the purge failed, it runs again here: until it succeeds, retired numbers must not be given away.
    await this.#purge();
    const now = performance.now();
    const { numbering, added, removed } = renumber(this.#numbering, compiled, this.#resting.free(now));
    const resting = this.#resting.next(this.#image, compiled, numbering, now);
    const image = withGhosts(compiled, resting.ghosts(now));
    const need = requiredGeometry(image, numbering);
    this.#beginReturned(numbering, resting);
    const publication = { image, numbering, resting };
    let features = image.features;
    if (this.#set !== undefined && fits(need, this.#set.geometry)) {
      features = this.#surplus.keep(this.#set.control.features, image.features, now);
      await this.#rewrite(this.#set, publication, features, added, removed);
    } else {
      await this.#replaceSet(image, numbering, need, removed);
      this.#take(publication);
      this.#surplus.end();
    }
    this.#needed = image.features;
    // Before anything is waited for: a sweep must know which timeouts the flows of before have.
    const since = flowNow(this.#set!);
    const changed = this.#past.follow(image, since);
    await this.#bringRest();
    this.#grace = gracePeriod().then(() => this.#purge());
    // If the purge fails, the next publish() awaits the same promise and rejects.
    this.#grace.catch(() => undefined);
    await this.#dropFeatures(features);
    await this.#keepTimeouts(changed, since);
  }

  /**
   * Begins to make the maps for a first publication that is about to come, while something else is waited for. Of no use,
   * and no harm, if that needs others.
   */
  prepare(expected: Image): void {
    if (this.#set !== undefined) {
      return;
    }
    const { numbering } = renumber(new Map(), expected, NO_NUMBERS);
    let need: Geometry;
    try {
      need = requiredGeometry(expected, numbering);
    } catch {
      // It may be smaller in the end; else whoever publishes finds out, and tells.
      return;
    }
    this.#preparation.begin(grow(need, undefined, this.expected), expected.features);
  }

  /** Resolves when the last publication has done what follows it, of which a sweep may be part. */
  async settle(): Promise<void> {
    await this.#grace;
  }

  /**
   * Looks at all flows: ends those that are over, corrects the destinations' loads, counts, and gives the tables the
   * extents that they need. Undefined before the first publication. Sweeps run one after another.
   *
   * @param moved the services whose slots are looked at
   */
  sweep(moved: readonly CompiledService[], gone: NumberSet = NO_NUMBERS): Promise<FlowStatistics | undefined> {
    const result = this.#sweeps.then(async () => {
      const [set, image, began] = [this.#set, this.#image, performance.now()];
      if (set === undefined || image === undefined) {
        return undefined;
      }
      const { stored } = readFlowTotals(set.memory);
      const found = await sweep(set, image, this.#numbering, gone, moved, this.#past, this.pressure);
      this.#set?.control.setTimeouts(this.#longestTimeouts(this.#image ?? image));
      this.#resting.look(found.entries, began);
      await this.#extents.follow(() => this.#set, found.tables, stored, gracePeriod);
      return found;
    });
    this.#sweeps = result.catch(() => undefined);
    return result;
  }

  /** Does something with the flow tables, while no sweep moves their flows. Undefined before the first publication. */
  betweenSweeps<Result>(work: (between: BetweenSweeps) => Promise<Result>): Promise<Result | undefined> {
    const current = (): MapSet | undefined => this.#set;
    const result = this.#sweeps.then(() =>
      this.#set === undefined || this.#image === undefined
        ? undefined
        : work({
            image: this.#image,
            numbering: this.#numbering,
            set: current,
            makeRoom: (family, more) => this.#extents.makeRoom(current, family, more, gracePeriod),
            noteAdded: (family, added) => {
              this.#extents.noteAdded(family, added);
            },
            gracePeriod,
          }),
    );
    this.#sweeps = result.catch(() => undefined);
    return result;
  }

  counters(): Counters {
    return this.#set === undefined
      ? { services: [], noService: {} }
      : this.#counters.read(this.#set.memory, this.#image, this.#numbering);
  }

  close(): void {
    this.#set?.close();
    this.#set = undefined;
    this.#outgrown?.set.close();
    this.#outgrown = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Sets services that are back to zero before packets see them, but for their flows: as in IPVS, where a service that is
   * added again is another one.
   */
  #beginReturned(numbering: Numbering, resting: Resting): void {
    const memory = this.#set?.memory;
    for (const name of this.#resting.returned(resting)) {
      const back = numbering.get(name);
      if (memory !== undefined && back !== undefined) {
        beginService(memory, back.number);
        back.destinations.forEach((each) => {
          beginDestination(memory, each);
        });
      }
    }
  }

  /** Keeps the timeouts that held until now. If some changed, waits until every packet that comes has the new ones. */
  async #keepTimeouts(changed: boolean, since: number): Promise<void> {
    await this.#past.keep();
    while (changed && flowNow(this.#set!) === since) {
      await sleep(UNIT_POLL_MS);
    }
  }

  /** Packets look at the timeouts only where they find no free entry, so one row does for both tables. */
  #longestTimeouts(image: Image): Uint32Array<ArrayBuffer> {
    return this.pressure.shorten(this.#past.longest(image), 'ipv4', 'ipv6');
  }

  /** Removes the flows of retired numbers, then frees the numbers: no flow passes to another destination with one. */
  async #purge(): Promise<void> {
    if (this.#needsRecount || this.#retired.destinations.length > 0 || this.#retired.services.length > 0) {
      await this.sweep([], this.#retired);
      this.#needsRecount = false;
    }
    if (this.#set !== undefined) {
      freeNumbers(this.#set, this.#retired);
    }
    this.#retired = NO_NUMBERS;
  }

  /** Runs packets through a program with other features; the tables are the same. */
  async #withFeatures(set: MapSet, features: number): Promise<MapSet> {
    if (set.control.features === features) {
      return set;
    }
    const present = set.control.features;
    const next = await this.#options.reload(set, features);
    try {
      this.#options.install(next, false);
    } catch (error) {
      // Both share the word, and packets go on with the program of before.
      set.control.features = present;
      next.close();
      throw error;
    }
    this.#set = next;
    set.close();
    return next;
  }

  /** Writes an image into the spare copy of the tables, and switches packets to that. */
  async #rewrite(
    before: MapSet,
    publication: Publication,
    features: number,
    added: NumberSet,
    removed: NumberSet,
  ): Promise<void> {
    const { numbering } = publication;
    // The program must be able to do what the tables ask for: new features come before them, unneeded ones go after.
    const set = await this.#withFeatures(before, before.control.features | features);
    const image = { ...publication.image, features: set.control.features };
    const copy = set.control.activeCopy === 0 ? 1 : 0;
    this.#contents.write(set, copy, image, numbering, added);
    set.control.setTimeouts(this.#longestTimeouts(image));
    set.control.activate(copy);
    this.#retired = removed;
    this.#take({ ...publication, image });
  }

  #take({ image, numbering, resting }: Publication): void {
    this.#image = image;
    this.#numbering = numbering;
    this.#resting = resting;
  }

  /** Leaves the program these features alone. It can do what is asked for anyway, so a failure is no failure to publish. */
  async #dropFeatures(wanted: number): Promise<void> {
    const set = this.#set!;
    if (set.control.features === wanted) {
      return;
    }
    try {
      await this.#withFeatures(set, wanted);
      this.#image = { ...this.#image!, features: wanted };
      this.#surplus.end();
    } catch (error) {
      this.#surplus.postpone(performance.now());
      this.#options.onTrouble?.('the program keeps features that nothing needs; trying again', error);
    }
  }

  /** Makes larger maps, fills them, carries the counters over, and switches packets to them. */
  async #replaceSet(image: Image, numbering: Numbering, need: Geometry, removed: NumberSet): Promise<void> {
    const old = this.#set;
    // The program before and the next one read the extents of their flow tables each in its own control block.
    old?.control.holdFlows(true);
    try {
      if (old !== undefined) {
        await gracePeriod();
      }
      await this.#replace(old, image, numbering, need, removed);
    } catch (error) {
      old?.control.holdFlows(false);
      throw error;
    }
  }

  async #replace(
    old: MapSet | undefined,
    image: Image,
    numbering: Numbering,
    need: Geometry,
    removed: NumberSet,
  ): Promise<void> {
    const set = await this.#preparation.create(grow(need, old?.geometry, this.expected), image.features, old);
    const contents = new Contents(old && { contents: this.#contents, memory: old.memory });
    const kept = keptNumbers(this.#numbering, numbering);
    try {
      contents.write(set, 0, image, numbering, numbersIn(numbering));
      set.control.setTimeouts(this.#longestTimeouts(image));
      set.control.activate(0);
      if (old !== undefined) {
        carryAllCounters(old, set, kept);
        carryLoads(old, set, kept);
        // Of numbers at rest too. And if this process ends before the flows of those that are freed are gone, the next
        // one must not give the numbers away.
        carryIdentities(old, set, kept);
        carryIdentities(old, set, removed);
        await copyFlows(old, set);
      }
      // Packets began flows in the old maps since these were copied. If this process ends now, the next one copies them.
      this.#options.install(set, old !== undefined);
    } catch (error) {
      set.close();
      throw error;
    }
    this.#set = set;
    this.#contents = contents;
    // Some of the copied flows may belong to retired numbers, which are free only after a sweep.
    this.#retired = removed;
    this.#needsRecount = true;
    this.#outgrown = old && { set: old, kept };
  }

  /** Brings over what packets left in outgrown maps after those were read, to the last packet. If it fails, the next call tries again. */
  async #bringRest(): Promise<void> {
    const [outgrown, set] = [this.#outgrown, this.#set];
    if (outgrown === undefined || set === undefined) {
      return;
    }
    await gracePeriod();
    carryAllCounters(outgrown.set, set, outgrown.kept);
    // Not beside a sweep: that may move the flows of the new table to another extent.
    const copied = this.#sweeps.then(() => copyFlows(outgrown.set, set));
    this.#sweeps = copied.catch(() => undefined);
    await copied;
    // The loads count flows that were there before.
    this.#needsRecount = true;
    this.#outgrown = undefined;
    outgrown.set.close();
    this.#options.retire?.();
  }
}

function freeNumbers({ memory }: MapSet, { services, destinations }: NumberSet): void {
  for (const number of services) {
    setService(memory, number, undefined);
  }
  for (const number of destinations) {
    setDestination(memory, number, undefined);
  }
}

function gracePeriod(): Promise<unknown> {
  return Promise.all([synchronizeRcu(), sleep(GRACE_PERIOD_MS)]);
}
