/** The drains of daemons that kept them beside the model (before ADR 27), for the first start after an upgrade. */

import { z } from 'zod';

import type { Format } from '../../store/index.js';
import { addressSchema } from '../schema-values.js';
import { type Desired, drainOf, finishDrain, realServerOf, startDrain } from './drains.js';

const earlierDrain = z.strictObject({
  service: z.string(),
  address: addressSchema,
  since: z.number(),
  deadline: z.number().exactOptional(),
  /** The drain was over. */
  removed: z.boolean(),
});

export type EarlierDrain = z.infer<typeof earlierDrain>;

export const earlierDrainsFormat: Format<readonly EarlierDrain[]> = {
  title: 'beeline-drains',
  version: 2,
  noun: 'drains',
  schema: z.array(earlierDrain),
  times: {
    shift: (drains, ms) =>
      drains.map((drain) => ({
        ...drain,
        since: drain.since + ms,
        ...(drain.deadline !== undefined && { deadline: drain.deadline + ms }),
      })),
    wallVersion: 1,
  },
  fromPlain: (json) => json,
};

/** Turns them into changes. Those that are changes already, or whose real server is gone, say nothing any more. */
export function adoptEarlier(desired: Desired, earlier: readonly EarlierDrain[]): Desired {
  return earlier.reduce((before, { removed, since, deadline, ...key }) => {
    if (realServerOf(before.model, key) === undefined || drainOf(before.drains, key) !== undefined) {
      return before;
    }
    const draining = startDrain(before, key, since, deadline === undefined ? undefined : deadline - since);
    return removed ? finishDrain(draining, drainOf(draining.drains, key)!) : draining;
  }, desired);
}
