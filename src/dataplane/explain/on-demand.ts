/** Loads the explaining program when it is first needed, and again for each new set of maps. */

import { setTimeout as sleep } from 'node:timers/promises';

import { BeelineError } from '../../model/index.js';
import type { MapSet } from '../maps/map-set.js';
import { Explainer } from './explainer.js';
import { type ExplainContext, explainOnce, type Explanation } from './explanation.js';

/** How long to wait before asking a second time if program and oracle differ: longer than a publication takes. */
const ASK_AGAIN_MS = 50;

export class ExplainerOnDemand {
  readonly #objectPath: string;
  readonly #contextNow: () => ExplainContext | undefined;
  #current: { readonly set: MapSet; readonly loaded: Promise<Explainer> } | undefined;

  /**
   * @param objectPath explain.bpf.o
   * @param contextNow returns what packets follow at the moment; undefined before the first publication
   */
  constructor(objectPath: string, contextNow: () => ExplainContext | undefined) {
    this.#objectPath = objectPath;
    this.#contextNow = contextNow;
  }

  /**
   * Explains a frame; see DataPlane.explain.
   *
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`; KernelError `ENODEV`
   */
  async explain(frame: Uint8Array, ifindex: number): Promise<Explanation> {
    const first = await this.#explain(frame, ifindex);
    if (first.differences.length === 0) {
      return first;
    }
    // A packet may have come in between, or a publication may be under way.
    await sleep(ASK_AGAIN_MS);
    return this.#explain(frame, ifindex);
  }

  async #explain(frame: Uint8Array, ifindex: number): Promise<Explanation> {
    for (;;) {
      const before = this.#contextNow();
      if (before === undefined) {
        throw new BeelineError('INTERNAL', 'nothing was published yet, so there is nothing to explain');
      }
      const explainer = await this.#explainerFor(before.set);
      const context = this.#contextNow();
      // While it was loading, packets may have been switched to another set.
      if (context?.set === before.set) {
        return explainOnce(explainer, context, frame, ifindex);
      }
    }
  }

  async #explainerFor(set: MapSet): Promise<Explainer> {
    if (this.#current?.set !== set) {
      this.close();
      this.#current = { set, loaded: Explainer.load(this.#objectPath, set) };
    }
    const current = this.#current;
    try {
      return await current.loaded;
    } catch (error) {
      // Another may be current by now.
      if (this.#current === current) {
        this.#current = undefined;
      }
      throw error;
    }
  }

  /** Closes the program. The next call of `explain` loads it again. */
  close(): void {
    this.#current?.loaded.then(
      (explainer) => {
        explainer.close();
      },
      // The caller of `explain` got the error.
      () => undefined,
    );
    this.#current = undefined;
  }
}
