/** The schemas of requests. Separate from protocol.ts, so that commands need not load zod. */

import { z } from 'zod';

import {
  type Edit,
  type AnyServiceKey,
  type IpAddress,
  isIp,
  MAX_MARK,
  MAX_TIMEOUT,
  markMatchName,
  parseMarkMatch,
  PROTOCOLS,
  SCHEDULER_FLAGS,
  SCHEDULERS,
} from '../model/index.js';
import { MAX_EXPLAINED_BYTES, MAX_EXPLAINED_FRAMES, type Method, type Parameters, type Request } from './protocol.js';

export const requestSchema: z.ZodType<Request> = z.object({
  version: z.number(),
  id: z.number(),
  method: z.string(),
  parameters: z.unknown(),
});

/** The most flows of a page. */
const MAX_PAGE = 10_000;

/** In the one spelling by which the daemon compares addresses. */
const address = z.custom<IpAddress>((value) => typeof value === 'string' && isIp(value), 'must be an IP address');
const port = z.int().min(0).max(0xffff);
const protocol = z.enum(PROTOCOLS);
const mark = z.int().min(1).max(MAX_MARK);
const family = z.union([z.literal(4), z.literal(6)]);
const timeout = z.int().min(1).max(MAX_TIMEOUT);

const flowsQuery = z.strictObject({
  service: z.string().optional(),
  realServer: address.optional(),
  client: address.optional(),
  state: z.string().optional(),
  from: z.string().optional(),
  limit: z.int().min(1).max(MAX_PAGE),
});

const editKey: z.ZodType<AnyServiceKey> = z.union([
  z.strictObject({ address, port, protocol }),
  z.strictObject({ mark, family }),
]);

const policy = z.strictObject({
  scheduler: z.enum(SCHEDULERS),
  flags: z.array(z.enum(SCHEDULER_FLAGS)).optional(),
  persistence: z.strictObject({ timeout, mask: z.union([address, z.int().min(1).max(128)]).optional() }).optional(),
  onePacket: z.boolean().optional(),
});

const destination = z.strictObject({
  address,
  port: port.optional(),
  weight: z.int(),
  upperThreshold: z.int().optional(),
  lowerThreshold: z.int().optional(),
});

const markRule = z.strictObject({
  mark,
  match: z
    .strictObject({ protocol, address, prefixLength: z.int().min(0).max(128), firstPort: port, lastPort: port })
    // As a client's own parser does: prefix by family, no bits after it, ports in order.
    .refine((match) => parseMarkMatch(markMatchName(match)) !== undefined, 'must be a match'),
});

const edit: z.ZodType<Edit> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['add-service', 'edit-service']), service: editKey, policy }),
  z.strictObject({ kind: z.literal('delete-service'), service: editKey }),
  z.strictObject({ kind: z.enum(['add-destination', 'edit-destination']), service: editKey, destination }),
  z.strictObject({ kind: z.literal('delete-destination'), service: editKey, address, port: port.optional() }),
  z.strictObject({ kind: z.literal('clear') }),
  z.strictObject({
    kind: z.literal('set-timeouts'),
    timeouts: z.strictObject({
      established: timeout.exactOptional(),
      finWait: timeout.exactOptional(),
      udp: timeout.exactOptional(),
    }),
  }),
  z.strictObject({ kind: z.enum(['add-mark-rule', 'delete-mark-rule']), rule: markRule }),
  z.strictObject({ kind: z.literal('clear-mark-rules'), mark: mark.optional() }),
]);

/** Ten years, and a sentence. */
const MAX_DISABLED_MS = 10 * 366 * 86_400_000;
const MAX_REASON = 500;

const maxMoved = z.number().min(0).max(1).optional();
const keepHost = z.boolean().optional();
const content = { text: z.string(), fileName: z.string() };

/** At least an Ethernet header. */
const frame = z
  .instanceof(Uint8Array)
  .refine(({ length }) => length >= 14 && length <= MAX_EXPLAINED_BYTES, 'must have 14 to 2048 bytes');

/** The server checks a method's parameters before it calls the handler. */
export const parameterSchemas: { readonly [Name in Method]: z.ZodType<Parameters[Name]> } = {
  status: z.strictObject({}),
  list: z.strictObject({}),
  checks: z.strictObject({}),
  checkServer: z.strictObject({ service: z.string(), realServer: address }),
  stats: z.strictObject({}),
  forwarded: z.strictObject({}),
  reload: z.strictObject({ maxMoved }),
  plan: z.strictObject({ ...content, keepHost }),
  apply: z.strictObject({ ...content, maxMoved, keepHost }),
  model: z.strictObject({}),
  saved: z.strictObject({
    revision: z.int().min(0),
    origin: z.strictObject({ text: z.string(), meaning: z.string() }),
  }),
  flows: flowsQuery,
  flowSummary: flowsQuery,
  drain: z.strictObject({ service: z.string(), realServer: address, deadlineMs: z.number().min(0).optional() }),
  drainState: z.strictObject({ service: z.string(), realServer: address }),
  disable: z.strictObject({
    service: z.string().optional(),
    realServer: address,
    forMs: z.number().min(1).max(MAX_DISABLED_MS).optional(),
    reason: z
      .string()
      .max(MAX_REASON)
      // It is shown on terminals.
      .regex(/^\P{C}*$/u, 'must have no control characters')
      .optional(),
    moves: z.boolean(),
  }),
  enable: z.strictObject({ service: z.string().optional(), realServer: address }),
  stop: z.strictObject({ detach: z.boolean(), force: z.boolean().optional() }),
  failover: z.strictObject({ take: z.boolean(), force: z.boolean() }),
  edit: z.strictObject({ edit }),
  edits: z.strictObject({ edits: z.array(edit), atomic: z.boolean(), following: z.int().min(0).optional() }),
  zero: z.strictObject({ service: editKey.optional() }),
  table: z.strictObject({}),
  explain: z.strictObject({
    interface: z.string().optional(),
    frames: z.array(frame).min(1).max(MAX_EXPLAINED_FRAMES),
  }),
};
