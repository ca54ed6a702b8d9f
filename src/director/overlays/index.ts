/** All overlays as one: desired model + overlays = effective model. */

import type { Model } from '../../model/index.js';
import type { Overlay } from './overlay.js';

export { HealthOverlay, type KeptPools, keptPoolsSchema, type QuorumEvent } from './health.js';
export type { Overlay } from './overlay.js';

/** The models of one round. */
export interface Models {
  /** The one that the configuration and commands ask for. */
  readonly desired: Model;
  /** The one that packets follow. */
  readonly effective: Model;
}

/** Applies overlays in their order, each to the result of the one before. */
export class Overlays implements Overlay {
  readonly #all: readonly Overlay[];

  constructor(all: readonly Overlay[]) {
    this.#all = all;
  }

  /** Computes the models of a round. Nothing else decides what packets follow. */
  modelsOf(desired: Model): Models {
    this.#all.forEach((overlay) => overlay.observe?.(desired));
    return { desired, effective: this.apply(desired) };
  }

  apply(model: Model): Model {
    return this.#all.reduce((result, overlay) => overlay.apply(result), model);
  }

  get due(): number | undefined {
    const due = this.#all.flatMap((overlay) => overlay.due ?? []);
    return due.length === 0 ? undefined : Math.min(...due);
  }
}
