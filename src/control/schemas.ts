/** The shapes of what arrives at the daemon. Apart from protocol.ts, so that clients need not load zod. */

import { z } from 'zod';

import type { Method, Parameters, Request } from './protocol.js';

export const requestSchema: z.ZodType<Request> = z.object({
  version: z.number(),
  id: z.number(),
  method: z.string(),
  parameters: z.unknown(),
});

/** Each method's parameters are checked before it runs. */
export const parameterSchemas: { readonly [Name in Method]: z.ZodType<Parameters[Name]> } = {
  status: z.strictObject({}),
  list: z.strictObject({}),
  stats: z.strictObject({}),
  reload: z.strictObject({}),
  stop: z.strictObject({ detach: z.boolean() }),
};
