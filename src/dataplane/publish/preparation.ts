/** Maps that are made before they are needed, while something else is waited for. */

import { setTimeout as sleep } from 'node:timers/promises';

import { fits, type Geometry } from '../../image/index.js';
import { synchronizeRcu } from '../../native/index.js';
import type { MapSet } from '../maps/map-set.js';

/** How long the kernel takes at most to free maps that nobody has open. */
const FREED_MS = 100;

/**
 * Loads a program with empty maps of this size.
 *
 * @param features bits of enum feature: what the program must be able to do
 * @param before has the flows to go on with
 */
export type Create = (geometry: Geometry, features: number, before?: MapSet) => Promise<MapSet>;

export class Preparation {
  readonly #create: Create;
  #begun: { readonly geometry: Geometry; readonly features: number; readonly set: Promise<MapSet> } | undefined;

  constructor(create: Create) {
    this.#create = create;
  }

  /** Begins to make the first maps. */
  begin(geometry: Geometry, features: number): void {
    const set = this.#create(geometry, features);
    this.#begun = { geometry, features, set };
    // Whoever takes them finds out, and tells.
    set.catch(() => undefined);
  }

  /** Makes maps, or takes those that were begun, if they do as well. */
  async create(geometry: Geometry, features: number, before: MapSet | undefined): Promise<MapSet> {
    const begun = this.#begun;
    this.#begun = undefined;
    if (begun === undefined) {
      return this.#create(geometry, features, before);
    }
    // Larger ones are what real servers need that have not answered yet.
    if (before === undefined && begun.features === features && fits(geometry, begun.geometry)) {
      return begun.set;
    }
    // Closed first: two sets of large tables may be more than there is memory. The kernel frees them a little later.
    await begun.set.then(
      (set) => {
        set.close();
      },
      () => undefined,
    );
    await synchronizeRcu();
    await sleep(FREED_MS);
    return this.#create(geometry, features, before);
  }
}
