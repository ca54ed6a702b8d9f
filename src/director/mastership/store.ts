/** What is known of VRRP, for the next daemon: keepalived tells it once. */

import { z } from 'zod';

import type { Format } from '../../store/index.js';
import { VRRP_STATES, type VrrpState } from './notify.js';

export interface KeptInstance {
  readonly name: string;
  readonly state: VrrpState;
  /** Milliseconds since the machine started. */
  readonly since: number;
  readonly priority: number;
}

export interface KeptMastership {
  /** When "beeline failover" gave mastership up; undefined: it did not. In milliseconds since the machine started. */
  readonly givenUpSince?: number | undefined;
  readonly instances: readonly KeptInstance[];
}

/** It is in /run: its times are of this life of the machine. */
export const keptMastershipFormat: Format<KeptMastership> = {
  title: 'beeline-mastership',
  version: 1,
  noun: 'states of VRRP',
  schema: z.strictObject({
    givenUpSince: z.number().optional(),
    instances: z.array(
      z.strictObject({ name: z.string(), state: z.enum(VRRP_STATES), since: z.number(), priority: z.int().min(0) }),
    ),
  }),
};
