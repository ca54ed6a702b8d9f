/** Tells programs and webhooks of changes of state, without making anybody wait for them. */

import type { Hook } from '../../model/index.js';
import { Deadline } from '../slow/deadline.js';
import { endWords } from '../slow/exec.js';
import { runProgram } from '../slow/program.js';
import { Trouble } from '../slow/slow.js';
import type { HealthEvent } from './event.js';
import { Gate } from './gate.js';
import { post } from './webhook.js';

const DEFAULT_TIMEOUT_S = 10;
/** So many events wait for a hook. Of more, the oldest go. */
const MOST_WAITING = 1000;
/** So many programs and requests of all hooks together run at a time. */
const MOST_RUNNING = 8;
/** How long those that run are waited for when the hooks are closed. */
const CLOSE_MS = 2000;

export interface HooksOptions {
  readonly hooks: readonly Hook[];
  /** Called with what went wrong, as text: a program that fails, a server that does not answer, events that were dropped. */
  readonly onTrouble: (hook: Hook, text: string) => void;
  /** Default: MOST_WAITING. */
  readonly mostWaiting?: number;
}

/** Each hook hears of all events in their order, one at a time. A hook that is slow or hangs delays no other, nor the caller. */
export class Hooks {
  readonly #queues: readonly Queue[];
  readonly #controller = new AbortController();

  constructor({ hooks, onTrouble, mostWaiting = MOST_WAITING }: HooksOptions) {
    const gate = new Gate(MOST_RUNNING);
    this.#queues = hooks.map(
      (hook) =>
        new Queue(hook, gate, mostWaiting, this.#controller.signal, (text) => {
          onTrouble(hook, text);
        }),
    );
  }

  /** Returns at once. Without effect after `close`. */
  tell(event: HealthEvent): void {
    for (const queue of this.#queues) {
      queue.add(event);
    }
  }

  /** Waits shortly for what is under way, ends it then, and drops the rest. */
  async close(graceMs = CLOSE_MS): Promise<void> {
    const timer = setTimeout(() => {
      this.#controller.abort();
    }, graceMs);
    await Promise.all(this.#queues.map((queue) => queue.close()));
    clearTimeout(timer);
    this.#controller.abort();
  }
}

/** The events that wait for one hook. */
class Queue {
  readonly #hook: Hook;
  readonly #gate: Gate;
  readonly #mostWaiting: number;
  readonly #signal: AbortSignal;
  readonly #onTrouble: (text: string) => void;
  readonly #waiting: HealthEvent[] = [];
  #dropped = 0;
  #isClosed = false;
  #running: Promise<void> | undefined;

  constructor(hook: Hook, gate: Gate, mostWaiting: number, signal: AbortSignal, onTrouble: (text: string) => void) {
    this.#hook = hook;
    this.#gate = gate;
    this.#mostWaiting = mostWaiting;
    this.#signal = signal;
    this.#onTrouble = onTrouble;
  }

  add(event: HealthEvent): void {
    if (this.#isClosed) {
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length > this.#mostWaiting) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const event = next;
      await this.#gate.pass(() => this.#tell(event));
    }
    this.#running = undefined;
    if (this.#dropped > 0) {
      this.#onTrouble(
        `${this.#dropped} events were not told: ${this.#isClosed ? 'the daemon ends' : 'too many waited'}`,
      );
      this.#dropped = 0;
    }
  }

  async #tell(event: HealthEvent): Promise<void> {
    if (this.#signal.aborted) {
      this.#dropped += 1;
      return;
    }
    try {
      await tellOnce(this.#hook, event, this.#signal);
    } catch (error) {
      this.#onTrouble(`${event.type}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** @throws Trouble */
async function tellOnce(hook: Hook, event: HealthEvent, signal: AbortSignal): Promise<void> {
  const timeoutMs = (hook.timeout ?? DEFAULT_TIMEOUT_S) * 1000;
  if (hook.url !== undefined) {
    await post({ url: hook.url, secretFile: hook.secretFile, timeoutMs }, event, signal);
    return;
  }
  using deadline = new Deadline(timeoutMs, signal);
  const { command = [] } = hook;
  const end = await runProgram(
    { command, environment: environmentOf(event), input: `${JSON.stringify(event)}\n` },
    deadline,
  );
  if (end.how !== 'exited' || end.status !== 0) {
    throw new Trouble(endWords(end));
  }
}

function environmentOf({ type, service, realServer, router, state }: HealthEvent): Record<string, string> {
  return {
    BEELINE_EVENT: type,
    ...(service !== undefined && { BEELINE_SERVICE: service }),
    ...(realServer !== undefined && { BEELINE_REAL_SERVER: realServer }),
    ...(router !== undefined && { BEELINE_ROUTER: router }),
    ...(state !== undefined && { BEELINE_STATE: state }),
  };
}
