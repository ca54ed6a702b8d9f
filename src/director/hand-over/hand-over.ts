/** Flow hand-over with one other director: keeps a connection in each direction, and tells how it goes. */

import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import type { HandOverReport } from '../../control/index.js';
import type { FlowHandOver } from '../../model/index.js';
import { bootTimeMs } from '../../native/index.js';
import { isoOf } from '../clock.js';
import { Lasting } from '../lasting.js';
import type { Logger } from '../log.js';
import { Channel } from './channel.js';
import { connectTo, listenFor } from './sockets.js';
import { type FlowSink, type FlowSource, skippedOf, take, tell } from './talks.js';

/** The time until the next attempt, after the first one that failed; twice as long each time, up to the other. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;

/** After so much silence, flows that began meanwhile may be missing here: longer than the time between two passes. */
const STALE_MS = 6_000;

/** Hosts that are no director are told of once in this time. */
const STRANGER_MS = 60_000;

export interface HandOverOptions {
  readonly flows: FlowSource & FlowSink;
  /** The version of Beeline. */
  readonly version: string;
  readonly log: Logger;
  /** Only tests give others. */
  readonly silenceMs?: number;
  readonly firstPauseMs?: number;
}

/** One direction, since the daemon started. */
interface Direction {
  /** Since when there is a connection, in milliseconds since the machine started. */
  since?: number | undefined;
  flows: number;
  skipped: number;
  fullPass?: number | undefined;
}

export class HandOver {
  /** Called when flows of the other director have come, or will not. */
  onChange: () => void = () => undefined;
  readonly #options: HandOverOptions;
  #settings: FlowHandOver | undefined;
  #ends = new AbortController();
  #work: Promise<unknown> = Promise.resolve();
  #sending: Direction = { flows: 0, skipped: 0 };
  #receiving: Direction = { flows: 0, skipped: 0 };
  /** What the other director takes flows by. */
  #told: Channel | undefined;
  /** Until its flows have come, or it is known that they do not come. */
  #isBehind = false;
  /** When the other director sent something last; undefined: there is no connection. */
  #heardAt: number | undefined;
  #strangerAt = -Infinity;
  readonly #listening: Lasting;
  readonly #refused: Lasting;
  readonly #taking: Lasting;

  constructor(options: HandOverOptions) {
    this.#options = options;
    const { log } = options;
    this.#listening = new Lasting(log, 'flow hand-over: the other director can connect again');
    this.#refused = new Lasting(log, 'flow hand-over: the other director takes flows again');
    this.#taking = new Lasting(log, 'flow hand-over: flows come from the other director again');
  }

  /** Goes on with these settings. Undefined: ends. */
  follow(settings: FlowHandOver | undefined): void {
    if (isDeepStrictEqual(settings, this.#settings)) {
      return;
    }
    this.#settings = settings;
    this.#ends.abort();
    this.#ends = new AbortController();
    const { signal } = this.#ends;
    this.#sending = { flows: 0, skipped: 0 };
    this.#receiving = { flows: 0, skipped: 0 };
    this.#isBehind = settings !== undefined;
    this.#heardAt = undefined;
    this.#work = this.#work.then(() =>
      settings === undefined || signal.aborted
        ? undefined
        : Promise.all([this.#listenUntil(settings, signal), this.#takeUntil(settings, signal)]),
    );
  }

  /** Ends both connections. Resolves when no flow is told or taken any more. */
  async stop(): Promise<void> {
    this.follow(undefined);
    await this.#work;
  }

  /** What goes wrong at this moment, as text. */
  get problems(): readonly string[] {
    return this.#settings === undefined
      ? []
      : [this.#listening, ...(this.#told === undefined ? [this.#refused] : []), this.#taking].flatMap(({ problem }) =>
          problem === undefined ? [] : [`flow hand-over: ${problem}`],
        );
  }

  /** Why flows of the other director may be missing here that will come; empty: none will. */
  get behind(): readonly string[] {
    const isStale = this.#heardAt !== undefined && bootTimeMs() - this.#heardAt > STALE_MS;
    return this.#settings !== undefined && (this.#isBehind || isStale)
      ? ['the flows of the other director are not all here yet']
      : [];
  }

  /** Undefined: it is not asked for. */
  get report(): HandOverReport | undefined {
    const settings = this.#settings;
    return (
      settings && {
        peer: settings.peer,
        port: settings.port,
        protection: settings.tls === undefined ? 'none' : 'tls',
        sending: directionReport(this.#sending),
        receiving: directionReport(this.#receiving),
      }
    );
  }

  get #speaker(): { host: string; version: string } {
    return { host: hostname(), version: this.#options.version };
  }

  async #listenUntil(settings: FlowHandOver, signal: AbortSignal): Promise<void> {
    const { listen, port } = settings;
    await repeat(signal, this.#options.firstPauseMs, async (succeed) => {
      const talks = new Set<Promise<void>>();
      let fail: (error: Error) => void = () => undefined;
      const failed = new Promise<never>((_, reject) => {
        fail = reject;
      });
      try {
        const listener = await listenFor(settings, {
          onConnection: (socket) => {
            const talk = this.#tell(new Channel(socket, this.#options), signal);
            talks.add(talk);
            void talk.finally(() => talks.delete(talk));
          },
          onRefused: (error) => {
            this.#refused.fail(error, 'flow hand-over: a connection was refused', 'warn');
          },
          onStranger: (address) => {
            this.#tellStranger(address);
          },
          onFailed: fail,
        });
        this.#listening.succeed();
        succeed();
        await Promise.race([failed, aborted(signal)]).finally(() => listener.close());
      } catch (error) {
        this.#listening.fail(error, `flow hand-over: cannot listen at ${listen}, port ${port}; trying again`, 'warn');
      }
      await Promise.all(talks);
    });
  }

  #setBehind(isBehind: boolean): void {
    if (this.#isBehind !== isBehind) {
      this.#isBehind = isBehind;
      this.onChange();
    }
  }

  /** Anybody on the network can connect: the log must not grow by it. */
  #tellStranger(address: string): void {
    const now = bootTimeMs();
    if (now - this.#strangerAt > STRANGER_MS) {
      this.#strangerAt = now;
      this.#options.log.warn({ address }, 'flow hand-over: a host connected that is not the other director');
    }
  }

  /** One talk: this director tells of its flows. It never rejects. */
  async #tell(channel: Channel, signal: AbortSignal): Promise<void> {
    const { flows, log } = this.#options;
    const direction = this.#sending;
    const close = (): void => {
      channel.close();
    };
    signal.addEventListener('abort', close);
    let begun: string | undefined;
    try {
      await tell(channel, flows, this.#speaker, {
        onBegin: (host) => {
          begun = host;
          // The other one ended without a word, and is back.
          this.#told?.close();
          this.#told = channel;
          direction.since = bootTimeMs();
          this.#refused.succeed();
          log.info({ host }, 'flow hand-over: the other director takes flows');
        },
        onTold: (count) => {
          direction.flows += count;
        },
        onFullPass: () => {
          direction.fullPass = bootTimeMs();
        },
        onAnswer: ({ skipped }) => {
          direction.skipped = skipped;
        },
      });
    } catch (error) {
      if (!signal.aborted && begun === undefined) {
        this.#refused.fail(error, 'flow hand-over: a connection ended before it began', 'warn');
      } else if (!signal.aborted && this.#told === channel) {
        log.warn({ host: begun, err: error }, 'flow hand-over: the other director takes no flows any more');
      }
    } finally {
      signal.removeEventListener('abort', close);
      if (this.#told === channel) {
        this.#told = undefined;
        direction.since = undefined;
      }
    }
  }

  async #takeUntil(settings: FlowHandOver, signal: AbortSignal): Promise<void> {
    const { flows, log } = this.#options;
    const direction = this.#receiving;
    await repeat(signal, this.#options.firstPauseMs, async (succeed) => {
      let channel: Channel | undefined;
      const close = (): void => {
        channel?.close();
      };
      try {
        channel = new Channel(await connectTo(settings, signal), this.#options);
        signal.addEventListener('abort', close);
        await take(channel, flows, this.#speaker, {
          onBegin: (host) => {
            direction.since = bootTimeMs();
            this.#isBehind = true;
            log.info({ host }, 'flow hand-over: connected to the other director');
          },
          onTaken: (taken) => {
            direction.flows += taken.added + taken.changed + taken.kept;
            direction.skipped += skippedOf(taken);
          },
          onPass: (full) => {
            this.#heardAt = bootTimeMs();
            // Not before: whoever greets and then talks nonsense is asked less often.
            succeed();
            this.#taking.succeed();
            if (full) {
              direction.fullPass = this.#heardAt;
              this.#setBehind(false);
            }
          },
        });
      } catch (error) {
        if (!signal.aborted) {
          // Its host answers that nobody is there. All else may be a cable that is put in again in a moment.
          this.#setBehind(!isRefused(error));
          this.#taking.fail(error, 'flow hand-over: no flows come from the other director; trying again', 'warn');
        }
      } finally {
        signal.removeEventListener('abort', close);
        channel?.close();
        direction.since = undefined;
        if (!signal.aborted) {
          this.#heardAt = undefined;
        }
      }
    });
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

/** Does something again and again, which may end at any time, with pauses that grow until it succeeds. */
async function repeat(
  signal: AbortSignal,
  firstPauseMs: number | undefined,
  work: (succeed: () => void) => Promise<void>,
): Promise<void> {
  const first = firstPauseMs ?? FIRST_PAUSE_MS;
  let pause = first;
  while (!signal.aborted) {
    await work(() => {
      pause = first;
    });
    // It is over when it is aborted.
    await sleep(pause, undefined, { signal }).catch(() => undefined);
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}

function directionReport({ since, flows, skipped, fullPass }: Direction): HandOverReport['sending'] {
  return {
    ...(since !== undefined && { since: isoOf(since) }),
    flows,
    skipped,
    ...(fullPass !== undefined && { lastFullPass: isoOf(fullPass) }),
  };
}
