/** All overlays as one: desired model + overlays = effective model. */

import type { Model } from '../../model/index.js';
import type { Overlay } from './overlay.js';

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

  /** Computes the models of a round. Nothing else computes an effective model. */
  modelsOf(desired: Model): Models {
    return { desired, effective: this.apply(desired) };
  }

  apply(model: Model): Model {
    return this.#all.reduce((result, overlay) => overlay.apply(result), model);
  }
}
