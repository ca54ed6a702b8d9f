/** Tells that this host makes checks later than it should: once when it begins, and once when it is over. */

/** So long nothing is late before it is over. */
const OVER_MS = 10_000;

export interface LatenessOptions {
  readonly clock: () => number;
  readonly onTrouble: (message: string, details: object) => void;
}

export class Lateness {
  readonly #options: LatenessOptions;
  #lastAt = -Infinity;
  isTold = false;

  constructor(options: LatenessOptions) {
    this.#options = options;
  }

  /** Of each run, or of those that may be late. */
  note(lateMs: number, intervalMs: number): void {
    const { clock, onTrouble } = this.#options;
    const now = clock();
    if (lateMs > intervalMs) {
      this.#lastAt = now;
      if (!this.isTold) {
        this.isTold = true;
        const text = 'health checks are late: there are more than this host can make in their intervals';
        onTrouble(text, { seconds: Math.round(lateMs / 1000) });
      }
    } else if (this.isTold && now - this.#lastAt > OVER_MS) {
      this.isTold = false;
      onTrouble('health checks are in time again', {});
    }
  }
}
