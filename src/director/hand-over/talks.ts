/** The two talks between directors: one tells of its flows, the other takes them. Each goes over a connection of its own. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { FlowHandOver, FlowNames, Taken } from '../../dataplane/index.js';
import { BeelineError } from '../../model/index.js';
import type { Channel } from './channel.js';
import { addNames, FLOWS_AT_ONCE, HAND_OVER_VERSION, type Message, namesMessages } from './messages.js';

/** The time between two passes over the tables, as long as these are small; and at most. */
const PASS_MS = 500;
const MOST_PASS_MS = 5_000;
/** Passes take this part of the time at most. */
const PASS_SHARE = 0.02;

/** Who speaks. */
export interface Speaker {
  readonly host: string;
  /** The version of Beeline. */
  readonly version: string;
}

export type FlowSource = Pick<FlowHandOver, 'collect'>;
export type FlowSink = Pick<FlowHandOver, 'take'>;

/** Called with what was told. */
export interface TellingEvents {
  /** The other side is there, and speaks the same language. */
  readonly onBegin: (host: string) => void;
  readonly onTold: (flows: number) => void;
  readonly onFullPass: () => void;
  /** What became of all that was told since the talk began. */
  readonly onAnswer: (answer: Extract<Message, { type: 'taken' }>) => void;
}

export interface TakingEvents {
  readonly onBegin: (host: string) => void;
  readonly onTaken: (taken: Taken) => void;
  /** All flows were looked at there; `full`: all were told. */
  readonly onPass: (full: boolean) => void;
}

/**
 * Tells the other director of all flows, and from then on of what is new, until the connection ends. What is not read there
 * is not collected here: a slow reader costs one message.
 *
 * @throws Error why the connection ended
 */
export async function tell(
  channel: Channel,
  source: FlowSource,
  speaker: Speaker,
  events: TellingEvents,
): Promise<never> {
  const { host } = await greeted(channel);
  await greet(channel, speaker);
  events.onBegin(host);
  const ended = new AbortController();
  try {
    return await Promise.race([hear(channel, events.onAnswer), tellForever(channel, source, events, ended.signal)]);
  } finally {
    ended.abort();
    channel.close();
  }
}

async function hear(channel: Channel, onAnswer: TellingEvents['onAnswer']): Promise<never> {
  for (;;) {
    onAnswer(await channel.nextOf('taken'));
  }
}

async function tellForever(
  channel: Channel,
  source: FlowSource,
  events: TellingEvents,
  signal: AbortSignal,
): Promise<never> {
  let told: FlowNames | undefined;
  for (let full = true; ; full = false) {
    let spentMs = 0;
    for (const family of [4, 6] as const) {
      for (let from: number | undefined = 0; from !== undefined;) {
        const began = performance.now();
        const page: Awaited<ReturnType<FlowSource['collect']>> = await source.collect(
          family,
          from,
          FLOWS_AT_ONCE,
          full,
        );
        spentMs += performance.now() - began;
        if (page === undefined) {
          break;
        }
        if (page.names !== told) {
          told = page.names;
          for (const message of namesMessages(told)) {
            await channel.send(message);
          }
        }
        if (page.count > 0) {
          await channel.send({ type: 'flows', family, unitMs: page.unitMs, records: page.records });
          events.onTold(page.count);
        }
        from = page.next;
      }
    }
    await channel.send({ type: 'passed', full });
    if (full) {
      events.onFullPass();
    }
    await sleep(Math.min(MOST_PASS_MS, Math.max(PASS_MS, spentMs / PASS_SHARE)), undefined, { signal });
  }
}

/**
 * Asks the other director for its flows and takes them, until the connection ends.
 *
 * @throws Error why the connection ended
 */
export async function take(channel: Channel, sink: FlowSink, speaker: Speaker, events: TakingEvents): Promise<never> {
  await greet(channel, speaker);
  const { host } = await greeted(channel);
  events.onBegin(host);
  let names: FlowNames = { services: [], realServers: [] };
  const sum = { taken: 0, skipped: 0 };
  for (;;) {
    const message = await channel.next();
    switch (message.type) {
      case 'names':
        names = addNames(names, message);
        break;
      case 'flows': {
        const taken = await sink.take(names, message);
        if (taken !== undefined) {
          events.onTaken(taken);
          sum.taken += taken.added + taken.changed + taken.kept;
          sum.skipped += skippedOf(taken);
        }
        // A full pass of millions of flows takes longer than either side may be silent.
        await channel.send({ type: 'taken', ...sum });
        break;
      }
      case 'passed':
        events.onPass(message.full);
        await channel.send({ type: 'taken', ...sum });
        break;
      default:
        throw new BeelineError('HAND_OVER_MESSAGE', `the other director sent "${message.type}", which is not its part`);
    }
  }
}

/** How many flows this director could not take. */
export function skippedOf({ unknown, noRoom, wrong }: Taken): number {
  return unknown + noRoom + wrong;
}

function greet(channel: Channel, { host, version }: Speaker): Promise<void> {
  return channel.send({ type: 'hello', version: HAND_OVER_VERSION, host, beeline: version });
}

async function greeted(channel: Channel): Promise<Extract<Message, { type: 'hello' }>> {
  const hello = await channel.nextOf('hello');
  if (hello.version !== HAND_OVER_VERSION) {
    throw new BeelineError(
      'HAND_OVER_MESSAGE',
      `the other director (Beeline ${hello.beeline}) speaks version ${hello.version} of the hand-over, this one ${HAND_OVER_VERSION}`,
    );
  }
  return hello;
}
