/** What two directors say to each other: messages, and the frames that carry them. Pure. */

import { z } from 'zod';

import { checkShape, encodeFrame, FrameDecoder } from '../../control/index.js';
import { FLOW_RECORD_BYTES, type FlowNames } from '../../dataplane/index.js';
import { BeelineError, isIp, type IpAddress } from '../../model/index.js';

/** Raised when an older Beeline would misunderstand a message. */
export const HAND_OVER_VERSION = 1;

/** Flows of a message: of IPv6, 256 KB. */
export const FLOWS_AT_ONCE = 1 << 13;
/** Names of a message, of each kind: more would hold the daemon for milliseconds. */
export const NAMES_AT_ONCE = 1 << 11;

export const MAX_FRAME_BYTES = 1 << 20;
/** The values of the largest message, names: three for each, and their list. */
const MOST_VALUES = 2 * NAMES_AT_ONCE * 4 + 100;

/** The most numbers that a director has: of services 16 bits, of real servers 20. */
const MOST_SERVICES = 1 << 16;
const MOST_REAL_SERVERS = 1 << 20;

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const serviceNumber = z
  .int()
  .min(1)
  .max(MOST_SERVICES - 1);
const realServerNumber = z
  .int()
  .min(1)
  .max(MOST_REAL_SERVERS - 1);
const text = z.string().max(255);
const address = z.custom<IpAddress>((value) => typeof value === 'string' && isIp(value));

const messageSchema = z.discriminatedUnion('type', [
  /** The first one of both. */
  z.strictObject({ type: z.literal('hello'), version: count, host: text, beeline: text }),
  /** Names of the numbers in the flows that follow, in several messages if they are many. `begins`: those of before are void. */
  z.strictObject({
    type: z.literal('names'),
    begins: z.boolean(),
    services: z.array(z.tuple([serviceNumber, text, serviceNumber])).max(NAMES_AT_ONCE),
    realServers: z.array(z.tuple([realServerNumber, serviceNumber, address])).max(NAMES_AT_ONCE),
  }),
  z.strictObject({
    type: z.literal('flows'),
    family: z.union([z.literal(4), z.literal(6)]),
    unitMs: z.number().min(100).max(10_000),
    records: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  }),
  /** All flows were looked at. `full`: all were told, not only what was new. */
  z.strictObject({ type: z.literal('passed'), full: z.boolean() }),
  /** The answer to it: what became of all flows since the connection began. */
  z.strictObject({ type: z.literal('taken'), taken: count, skipped: count }),
]);

export type Message = z.output<typeof messageSchema>;
export type Named = Extract<Message, { type: 'names' }>;

/** @throws BeelineError `CONTROL_FRAME` if it is too large, which no message is that this file makes */
export function encodeMessage(message: Message): Buffer {
  return encodeFrame(message, MAX_FRAME_BYTES);
}

/** Reads messages from the pieces of a stream. */
export class MessageDecoder {
  readonly #frames = new FrameDecoder(MAX_FRAME_BYTES, (body) => {
    checkShape(body, MOST_VALUES);
  });

  /** @throws BeelineError `CONTROL_FRAME` at the first frame that is none, `HAND_OVER_MESSAGE` at one with something else */
  *push(piece: Uint8Array): Generator<Message, void, undefined> {
    for (const value of this.#frames.push(piece)) {
      const found = messageSchema.safeParse(value);
      if (!found.success || !isWhole(found.data)) {
        throw new BeelineError('HAND_OVER_MESSAGE', 'a message is none that this version of Beeline knows');
      }
      yield found.data;
    }
  }
}

function isWhole(message: Message): boolean {
  if (message.type !== 'flows') {
    return true;
  }
  const flows = message.records.length / FLOW_RECORD_BYTES[message.family];
  return Number.isInteger(flows) && flows <= FLOWS_AT_ONCE;
}

/** Splits names into messages. */
export function namesMessages({ services, realServers }: FlowNames): Named[] {
  const messages = Math.max(1, Math.ceil(Math.max(services.length, realServers.length) / NAMES_AT_ONCE));
  return Array.from({ length: messages }, (_, i) => {
    const [from, to] = [i * NAMES_AT_ONCE, (i + 1) * NAMES_AT_ONCE];
    return {
      type: 'names',
      begins: i === 0,
      services: services.slice(from, to).map(({ number, name, group }) => [number, name, group]),
      realServers: realServers.slice(from, to).map((each) => [each.number, each.service, each.address]),
    };
  });
}

/** Adds the names of a message to those of the ones before. @throws BeelineError `HAND_OVER_MESSAGE` if they are too many */
export function addNames(before: FlowNames, { begins, services, realServers }: Named): FlowNames {
  const base = begins ? { services: [], realServers: [] } : before;
  const names = {
    services: [...base.services, ...services.map(([number, name, group]) => ({ number, name, group }))],
    realServers: [
      ...base.realServers,
      ...realServers.map(([number, service, each]) => ({ number, service, address: each })),
    ],
  };
  if (names.services.length >= MOST_SERVICES || names.realServers.length >= MOST_REAL_SERVERS) {
    throw new BeelineError('HAND_OVER_MESSAGE', 'the names of services or real servers do not end');
  }
  return names;
}
