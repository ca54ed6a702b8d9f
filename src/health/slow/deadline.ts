/** The time within which a check ends. */

/** A timer that fires so much later than it should tells that the process did not run: a stall, or a stopped machine. */
const STALL_MS = 100;

/** Why the time is over. */
export type Cut = 'timeout' | 'interrupted';

/**
 * Runs from its making. Whoever waits while it runs hears of its end by `signal`.
 *
 * A timeout that passed while the process did not run says nothing about the other side: it gets its time once more. And
 * what has come already is read before the time is over.
 */
export class Deadline implements Disposable {
  readonly #ms: number;
  readonly #startedAt = performance.now();
  readonly #outer: AbortSignal;
  readonly #controller = new AbortController();
  readonly #interrupt = (): void => {
    this.#end('interrupted');
  };
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #isExtended = false;

  constructor(ms: number, outer: AbortSignal) {
    this.#ms = ms;
    this.#outer = outer;
    if (outer.aborted) {
      this.#end('interrupted');
    } else {
      outer.addEventListener('abort', this.#interrupt, { once: true });
      this.#arm();
    }
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  get cut(): Cut | undefined {
    return this.#controller.signal.aborted ? (this.#controller.signal.reason as Cut) : undefined;
  }

  /** Calls once when the time is over; soon, and never during this call, if it is already. Returns what ends that. */
  onCut(callback: (cut: Cut) => void): () => void {
    const { signal } = this.#controller;
    const listener = (): void => {
      callback(signal.reason as Cut);
    };
    if (signal.aborted) {
      const immediate = setImmediate(listener);
      return () => {
        clearImmediate(immediate);
      };
    }
    signal.addEventListener('abort', listener, { once: true });
    return () => {
      signal.removeEventListener('abort', listener);
    };
  }

  /** Waits for a promise, but not beyond the time. What it comes to later is dropped. */
  async race<Value>(promise: Promise<Value>): Promise<Value | Cut> {
    let stop: (() => void) | undefined;
    const cut = new Promise<Cut>((resolve) => {
      stop = this.onCut(resolve);
    });
    try {
      return await Promise.race([promise, cut]);
    } finally {
      stop?.();
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#outer.removeEventListener('abort', this.#interrupt);
  }

  #arm(): void {
    const dueAt = performance.now() + this.#ms;
    this.#timer = setTimeout(() => {
      if (performance.now() - dueAt > STALL_MS && !this.#isExtended) {
        this.#isExtended = true;
        this.#arm();
        return;
      }
      // Timers run before sockets are read: an answer that is there comes first.
      this.#immediate = setImmediate(() => {
        this.#end('timeout');
      });
    }, this.#ms);
  }

  #end(cut: Cut): void {
    this[Symbol.dispose]();
    this.#controller.abort(cut);
  }
}
