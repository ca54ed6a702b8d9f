/** What is known of the health of real servers, for the next daemon: else a crash would send packets to what is down. */

import { z } from 'zod';

import { ADVISED_STATES, type KeptHealth, LAYERS } from '../../health/rules.js';
import type { Format } from '../../store/index.js';
import { type KeptPools, keptPoolsSchema } from '../overlays/health.js';
import { addressSchema } from '../schema-values.js';

export interface KeptDirectorHealth {
  readonly checks: KeptHealth;
  readonly pools: KeptPools;
}

const outcome = z.strictObject({ passed: z.boolean(), layer: z.enum(LAYERS), words: z.string(), ms: z.number() });

const state = z.strictObject({
  isUp: z.boolean(),
  since: z.number(),
  last: outcome.optional(),
  against: z.int().min(0),
  downs: z.array(z.number()),
  heldSince: z.number().optional(),
});

const advice = z.strictObject({
  state: z.enum(ADVISED_STATES).optional(),
  weight: z.number().optional(),
  percent: z.number().optional(),
});

/** It is in /run: its times are of this life of the machine. */
export const keptHealthFormat: Format<KeptDirectorHealth> = {
  title: 'beeline-health',
  version: 1,
  noun: 'states of health checks',
  schema: z.strictObject({
    checks: z.strictObject({
      boot: z.string(),
      servers: z.array(
        z.strictObject({
          service: z.string(),
          address: addressSchema,
          isUp: z.boolean(),
          since: z.number(),
          checks: z.array(z.strictObject({ check: z.string(), state, advice: advice.optional() })),
        }),
      ),
    }),
    pools: keptPoolsSchema,
  }),
};
