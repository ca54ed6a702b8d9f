/** Runs the checks that Node.js makes: those that wait for an answer cost nothing, and hold nobody up; what costs the processor has few places. */

import type { SlowCheck } from '../../model/index.js';
import { runSlow } from '../slow/index.js';
import { Places } from '../slow/places.js';
import type { SlowContext, SlowResult } from '../slow/slow.js';

/** At once: as many as have descriptors, and ports. */
const MOST = 1024;
/** Where there are few ports. */
const LEAST = 64;
/** Programs at once: each is a process. */
const MOST_PROGRAMS = 256;
/** Programs that start at once, and handshakes of TLS. */
const STARTS = 16;
const HANDSHAKES = 32;
/** Of so many runs that begin, one is of a real server that is down although others wait: it may be up again. */
const TURN_OF_DOWN = 8;
/** A run has its timeout twice if the process did not run meanwhile. One that does not even end after that is given up. */
const GRACE_MS = 5_000;

/** What decides when a run begins. */
export interface Rank {
  /** All who want the check know its real server as down: what hangs comes after the others. */
  readonly isDown: boolean;
  readonly intervalMs: number;
}

export interface SlowRunsOptions {
  readonly run?: typeof runSlow | undefined;
  readonly clock: () => number;
  /** How many connections may be open at once, for the ports that they need. */
  readonly ports: () => number;
  /** A run begins so late. */
  readonly onBegin: (lateMs: number, intervalMs: number) => void;
}

type Context = Omit<SlowContext, 'signal' | 'handshakes'>;

interface Waiting {
  readonly since: number;
  readonly check: SlowCheck;
  readonly context: Context;
  readonly rank: Rank;
  readonly onEnd: (result: SlowResult) => void;
  readonly abort: AbortController;
}

/** In the order in which they came. */
class Queue {
  readonly #up: Waiting[] = [];
  readonly #down: Waiting[] = [];
  #taken = 0;

  add(waiting: Waiting): void {
    (waiting.rank.isDown ? this.#down : this.#up).push(waiting);
  }

  take(): Waiting | undefined {
    for (;;) {
      this.#taken += 1;
      const isDownFirst = this.#taken % TURN_OF_DOWN === 0;
      const [first, second] = isDownFirst ? [this.#down, this.#up] : [this.#up, this.#down];
      const next = first.shift() ?? second.shift();
      if (next?.abort.signal.aborted !== true) {
        return next;
      }
    }
  }

  get isEmpty(): boolean {
    return this.#up.length + this.#down.length === 0;
  }
}

export class SlowRuns {
  readonly #options: SlowRunsOptions;
  readonly #running = { program: 0, other: 0 };
  readonly #waiting = { program: new Queue(), other: new Queue() };
  readonly #handshakes = new Places(HANDSHAKES);
  readonly #starts = new Places(STARTS, () => {
    this.#goPrograms();
  });

  constructor(options: SlowRunsOptions) {
    this.#options = options;
  }

  /** Those that may have a port. */
  get connections(): number {
    return this.#running.other;
  }

  /** Returns what ends the run without a result. */
  start(check: SlowCheck, context: Context, rank: Rank, onEnd: (result: SlowResult) => void): () => void {
    const abort = new AbortController();
    this.#waiting[kindOf(check)].add({ since: this.#options.clock(), check, context, rank, onEnd, abort });
    this.#go();
    return () => {
      abort.abort();
    };
  }

  #go(): void {
    this.#goPrograms();
    const most = Math.max(LEAST, Math.min(MOST, this.#options.ports()));
    while (this.#running.other < most) {
      const next = this.#waiting.other.take();
      if (next === undefined) {
        return;
      }
      void this.#make(next);
    }
  }

  #goPrograms(): void {
    const queue = this.#waiting.program;
    // A place that was taken is given back by itself: a program has started by then, and is its own process.
    while (!queue.isEmpty && this.#running.program < MOST_PROGRAMS && this.#starts.tryTake() !== undefined) {
      const next = queue.take();
      if (next === undefined) {
        return;
      }
      void this.#make(next);
    }
  }

  async #make({ since, check, context, rank, onEnd, abort }: Waiting): Promise<void> {
    const { run = runSlow, clock, onBegin } = this.#options;
    const kind = kindOf(check);
    this.#running[kind] += 1;
    onBegin(clock() - since, rank.intervalMs);
    let result: SlowResult;
    const guard = new AbortController();
    try {
      result = await Promise.race([
        run(check, { ...context, signal: abort.signal, handshakes: this.#handshakes }),
        endAfter(2 * context.timeoutMs + GRACE_MS, guard.signal, abort.signal),
      ]);
    } catch (error) {
      result = { trouble: `the check could not be made: ${error instanceof Error ? error.message : String(error)}` };
    }
    guard.abort();
    this.#running[kind] -= 1;
    if (!abort.signal.aborted) {
      onEnd(result);
    }
    this.#go();
  }
}

function kindOf(check: SlowCheck): 'program' | 'other' {
  return check.type === 'exec' || (check.type === 'agent' && check.by === 'exec') ? 'program' : 'other';
}

/** Resolves after a time, and soon after a run was given up: its place is another's then. */
function endAfter(ms: number, over: AbortSignal, givenUp: AbortSignal): Promise<SlowResult> {
  return new Promise((resolve) => {
    const end = (): void => {
      resolve({ trouble: 'the check did not end' });
    };
    let timer = setTimeout(end, ms);
    givenUp.addEventListener('abort', () => {
      if (!over.aborted) {
        clearTimeout(timer);
        timer = setTimeout(end, GRACE_MS);
      }
    });
    over.addEventListener('abort', () => {
      clearTimeout(timer);
    });
  });
}
