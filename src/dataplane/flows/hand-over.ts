/** Flow hand-over: pages of flows that another director does not know, and flows that are taken over from it. */

import type { Image, Numbering } from '../../image/index.js';
import type { Family } from '../../model/index.js';
import { addon } from '../../native/index.js';
import { extentsAt } from '../maps/control.js';
import type { MapSet } from '../maps/map-set.js';
import { secondsOf } from './clock.js';
import { flagsOf, flowNow } from './flows.js';
import { type FlowNames, namesOf, NO_NAMES, sameNames, translate, type Translation } from './names.js';
import { timeoutTable } from './sweep.js';

/** The bytes of a flow: see struct Record in native/src/hand_over.cc. */
export const FLOW_RECORD_BYTES: Readonly<Record<Family, number>> = { 4: 20, 6: 32 };

/** A flow's time is told again when what the other director knows of it is older than this part of its timeout. */
const REFRESH_PART = 1 / 4;

/** Some flows, in the form in which directors tell each other of them. */
export interface FlowPage {
  readonly family: Family;
  /** Whole records of FLOW_RECORD_BYTES. */
  readonly records: Uint8Array;
  /** The length of the sender's unit of time, in which records have their ages. */
  readonly unitMs: number;
}

export interface CollectedPage extends FlowPage {
  /** Those of the numbers in the records. The same object for as long as they are the same. */
  readonly names: FlowNames;
  readonly count: number;
  /** Where the next page begins; undefined: this was the last one. */
  readonly next: number | undefined;
}

/** What became of flows that another director told of. */
export interface Taken {
  /** New here. */
  readonly added: number;
  /** Here already, and a later packet of them was seen there. */
  readonly changed: number;
  /** Here already, the same or later. */
  readonly kept: number;
  /** Of services or real servers that this director does not have. */
  readonly unknown: number;
  readonly noRoom: number;
  /** No flow can be like that. */
  readonly wrong: number;
}

/** The flow tables between two sweeps. */
export interface BetweenSweeps {
  readonly image: Image;
  readonly numbering: Numbering;
  /** The maps in use: others may take their place while something is waited for. */
  readonly set: () => MapSet | undefined;
  /** Gives a table room for more flows, as far as it may grow. Resolves to how many may come. */
  readonly makeRoom: (family: Family, more: number) => Promise<number>;
  /** Notes that so many came. */
  readonly noteAdded: (family: Family, added: number) => void;
  /** Waits until every packet has ended that is under way. */
  readonly gracePeriod: () => Promise<unknown>;
}

/** Runs work while no sweep is under way; resolves to undefined if nothing was published yet. */
export type RunBetweenSweeps = <Result>(
  work: (between: BetweenSweeps) => Promise<Result>,
) => Promise<Result | undefined>;

/** What follows from an image. */
interface Own {
  readonly image: Image;
  readonly numbering: Numbering;
  readonly names: FlowNames;
  /** 1 for a service whose flows are told. */
  readonly services: Uint8Array;
  /** By service number and state, after how many units a flow's time is told again. */
  readonly refresh: Uint32Array;
}

export class FlowHandOver {
  readonly #run: RunBetweenSweeps;
  /** What the other director knows, natively. */
  readonly #known = addon.newKnownFlows();
  #own: Own | undefined;
  #translated: { readonly theirs: FlowNames; readonly own: FlowNames; readonly translation: Translation } | undefined;

  constructor(run: RunBetweenSweeps) {
    this.#run = run;
  }

  /**
   * Returns a page of the flows that the other director does not know, and counts them as known. Undefined before the first
   * publication.
   *
   * @param from 0, or `next` of the page before
   * @param all every flow, whatever the other one knows
   */
  collect(family: Family, from: number, limit: number, all: boolean): Promise<CollectedPage | undefined> {
    return this.#run(async (between) => {
      const set = between.set()!;
      const { names, services, refresh } = this.#ownOf(between);
      const { records, count, next } = await addon.collectFlows({
        known: this.#known,
        flows: set.memory.mapping(`flows${family}`).native,
        family,
        control: set.memory.mapping('control').native,
        offset: extentsAt(family),
        services,
        refresh,
        now: flowNow(set),
        from,
        limit,
        all: Number(all),
      });
      return { family, names, records, count, next, unitMs: secondsOf(1) * 1000 };
    });
  }

  /** Takes flows over. @param theirs the names of the numbers in the records */
  take(theirs: FlowNames, { family, records, unitMs }: FlowPage): Promise<Taken | undefined> {
    return this.#run(async (between) => {
      const room = await between.makeRoom(family, records.length / FLOW_RECORD_BYTES[family]);
      const set = between.set();
      if (set === undefined) {
        throw new Error('the data path is closed');
      }
      const table = tableOptions(set, family);
      const { placed, ...taken } = await addon.takeFlows({
        ...table,
        known: this.#known,
        records,
        ...this.#translate(theirs, this.#ownOf(between).names),
        now: flowNow(set),
        room,
        ratio: unitMs / (secondsOf(1) * 1000),
      });
      between.noteAdded(family, placed.length);
      if (placed.length > 0) {
        await between.gracePeriod();
        await addon.withdrawFlows({ ...table, placed });
      }
      return taken;
    });
  }

  #ownOf({ image, numbering }: BetweenSweeps): Own {
    if (this.#own?.image !== image || this.#own.numbering !== numbering) {
      const names = sameNames(this.#own?.names ?? NO_NAMES, namesOf(image, numbering));
      this.#own = {
        image,
        numbering,
        names,
        services: flagsOf(names.services.map(({ number }) => number)),
        refresh: timeoutTable(image, numbering).map((each) => Math.floor(each * REFRESH_PART)),
      };
    }
    return this.#own;
  }

  #translate(theirs: FlowNames, own: FlowNames): Translation {
    if (this.#translated?.theirs !== theirs || this.#translated.own !== own) {
      this.#translated = { theirs, own, translation: translate(theirs, own) };
    }
    return this.#translated.translation;
  }
}

function tableOptions(
  set: MapSet,
  family: Family,
): Pick<Parameters<typeof addon.withdrawFlows>[0], 'flows' | 'family' | 'secret' | 'control' | 'offset' | 'loads'> {
  return {
    flows: set.memory.mapping(`flows${family}`).native,
    family,
    secret: set.control.hashSecret,
    control: set.memory.mapping('control').native,
    offset: extentsAt(family),
    loads: set.memory.mapping('loads').native,
  };
}
