/** Features of the program that no image needs any more: they stay for a time. */

import { feature } from '../../layout/index.js';

/** Features that do nothing to packets while no service is there for them. The others change what becomes of packets. */
const STAYING = feature.ipv4 | feature.ipv6 | feature.flows;

/**
 * A script may take all services out and put them back, and each load of a program takes most of a second. So features go
 * only when nothing asked for them for a while.
 */
export class Surplus {
  readonly #ms: number;
  /** When the program's features were first more than an image needs; undefined: they are not. */
  #since: number | undefined;

  /** @param ms how long they stay */
  constructor(ms = 0) {
    this.#ms = ms;
  }

  /**
   * Returns the features for an image: those that it needs, and those that stay.
   *
   * @param present the bits of the program that packets run through
   */
  keep(present: number, needed: number, now: number): number {
    const surplus = present & ~needed & STAYING;
    this.#since = surplus === 0 ? undefined : (this.#since ?? now);
    return this.isDue(now) ? needed : needed | surplus;
  }

  /** Whether the same image should be published again, for a program without them. */
  isDue(now: number): boolean {
    return this.#since !== undefined && now - this.#since >= this.#ms;
  }

  /** They are gone. */
  end(): void {
    this.#since = undefined;
  }

  /** They could not go now. */
  postpone(now: number): void {
    this.#since = now;
  }
}
