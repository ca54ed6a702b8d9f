/** Runs the checks that Node.js makes: a number at once, the rest in the order in which they came. */

import type { SlowCheck } from '../../model/index.js';
import { runSlow } from '../slow/index.js';
import type { SlowContext, SlowResult } from '../slow/slow.js';

/** At once; of those so many programs. */
const MOST = 64;
const MOST_PROGRAMS = 16;
/** A run has its timeout twice if the process did not run meanwhile. One that does not even end after that is given up. */
const GRACE_MS = 5_000;

interface Waiting {
  readonly number: number;
  readonly check: SlowCheck;
  readonly context: Omit<SlowContext, 'signal'>;
  readonly onEnd: (result: SlowResult) => void;
  readonly abort: AbortController;
}

export class SlowRuns {
  readonly #run: typeof runSlow;
  #number = 0;
  readonly #running = { program: 0, other: 0 };
  /** Those who wait, in the order of their numbers. */
  readonly #waiting = { program: [] as Waiting[], other: [] as Waiting[] };

  constructor(run = runSlow) {
    this.#run = run;
  }

  /** Returns what ends the run without a result. */
  start(check: SlowCheck, context: Omit<SlowContext, 'signal'>, onEnd: (result: SlowResult) => void): () => void {
    const abort = new AbortController();
    this.#number += 1;
    this.#waiting[kindOf(check)].push({ number: this.#number, check, context, onEnd, abort });
    this.#go();
    return () => {
      abort.abort();
    };
  }

  #go(): void {
    while (this.#running.program + this.#running.other < MOST) {
      const next = this.#takeNext();
      if (next === undefined) {
        return;
      }
      if (!next.abort.signal.aborted) {
        void this.#make(next);
      }
    }
  }

  /** The one that waits longest, of those whose turn it can be. */
  #takeNext(): Waiting | undefined {
    const { program, other } = this.#waiting;
    const first = this.#running.program < MOST_PROGRAMS ? program[0] : undefined;
    const isProgram = first !== undefined && (other[0] === undefined || first.number < other[0].number);
    return (isProgram ? program : other).shift();
  }

  async #make({ check, context, onEnd, abort }: Waiting): Promise<void> {
    const kind = kindOf(check);
    this.#running[kind] += 1;
    let result: SlowResult;
    const guard = new AbortController();
    try {
      result = await Promise.race([
        this.#run(check, { ...context, signal: abort.signal }),
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
