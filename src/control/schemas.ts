/** The shapes of what arrives at the daemon. Apart from protocol.ts, so that clients need not load zod. */

import { z } from 'zod';

import type { Method, Parameters, Request } from './protocol.js';

export const requestSchema: z.ZodType<Request> = z.object({
  version: z.number(),
  id: z.number(),
  method: z.string(),
  parameters: z.unknown(),
});

/** More flows than this are several pages. */
const MAX_PAGE = 10_000;

const flowsQuery = z.strictObject({
  service: z.string().optional(),
  server: z.string().optional(),
  client: z.string().optional(),
  state: z.string().optional(),
  from: z.string().optional(),
  limit: z.int().min(1).max(MAX_PAGE),
});

/** Each method's parameters are checked before it runs. */
export const parameterSchemas: { readonly [Name in Method]: z.ZodType<Parameters[Name]> } = {
  status: z.strictObject({}),
  list: z.strictObject({}),
  stats: z.strictObject({}),
  reload: z.strictObject({}),
  flows: flowsQuery,
  flowSummary: flowsQuery,
  drain: z.strictObject({ service: z.string(), address: z.string(), deadlineMs: z.number().min(0).optional() }),
  drainState: z.strictObject({ service: z.string(), address: z.string() }),
  stop: z.strictObject({ detach: z.boolean() }),
};
