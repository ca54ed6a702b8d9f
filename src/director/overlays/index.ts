/** All overlays as one: desired model + overlays = effective model. */

import type { Model } from '../../model/index.js';
import type { FlowsLeftOf, Overlay, RealServerKey } from './overlay.js';

/** The models of one round. */
export interface Models {
  /** The one that the configuration and commands ask for. */
  readonly desired: Model;
  /** The one that packets follow. */
  readonly effective: Model;
  /** The desired model without the real servers that overlays removed for good: what `beeline save` writes. */
  readonly lasting: Model;
}

/** Applies overlays in their order, each to the result of the one before. */
export class Overlays implements Overlay {
  readonly #all: readonly Overlay[];

  constructor(all: readonly Overlay[]) {
    this.#all = all;
  }

  /** Computes the models of a round. Nothing else computes an effective model. */
  modelsOf(desired: Model): Models {
    return { desired, effective: this.apply(desired), lasting: this.withoutRemoved(desired) };
  }

  apply(model: Model): Model {
    return this.#all.reduce((result, overlay) => overlay.apply(result), model);
  }

  withoutRemoved(model: Model, only?: RealServerKey): Model {
    return this.#all.reduce((result, overlay) => overlay.withoutRemoved(result, only), model);
  }

  keepOnly(model: Model): void {
    this.#all.forEach((overlay) => {
      overlay.keepOnly(model);
    });
  }

  end(realServer: RealServerKey): void {
    this.#all.forEach((overlay) => {
      overlay.end(realServer);
    });
  }

  clear(): readonly string[] {
    return this.#all.flatMap((overlay) => overlay.clear());
  }

  checkpoint(): () => void {
    const restore = this.#all.map((overlay) => overlay.checkpoint());
    return () => {
      restore.forEach((each) => {
        each();
      });
    };
  }

  advance(flowsLeft: FlowsLeftOf, now: number): readonly string[] {
    return this.#all.flatMap((overlay) => overlay.advance(flowsLeft, now));
  }

  async keep(): Promise<void> {
    await Promise.all(this.#all.map((overlay) => overlay.keep()));
  }
}
