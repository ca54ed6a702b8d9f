/** The file of histories: what a restarted daemon needs to go on where the last one was. */

import { z } from 'zod';

import type { History } from '../image/index.js';
import { type IpAddress, MAX_SLOTS, MAX_WEIGHT, MIN_SLOTS, isIp, SCHEDULER_FLAGS, SCHEDULERS } from '../model/index.js';
import type { Format } from '../store/index.js';

/** Histories by the name of the service. */
export type Histories = Readonly<Record<string, History>>;

/** No more than `keep` can have written: a ring of other sizes could not be built. */
const addressSchema = z.custom<IpAddress>((value) => typeof value === 'string' && isIp(value));

const epochSchema = z
  .strictObject({
    at: z.number(),
    scheduler: z.enum(SCHEDULERS),
    port: z.int().min(0).max(0xffff),
    flags: z.array(z.enum(SCHEDULER_FLAGS)),
    slots: z
      .int()
      .min(MIN_SLOTS)
      .max(MAX_SLOTS)
      .refine((slots) => Number.isInteger(Math.log2(slots))),
    tracks: z.boolean(),
    marks: z.boolean(),
    members: z.array(z.tuple([addressSchema, z.int().min(0).max(MAX_WEIGHT)])),
    held: z.array(addressSchema).optional(),
    gone: z.array(addressSchema),
  })
  .refine(({ slots, members }) => members.length <= slots);

/** The content of a file that an older program wrote. */
const plainSchema = z.object({ version: z.literal(1), services: z.unknown() });

/** Without histories, flows that a change has just moved are not recognised as such: no reason not to start. */
export const historiesFormat: Format<Histories> = {
  title: 'beeline-history',
  version: 2,
  noun: 'histories of moved slots',
  schema: z.record(z.string(), z.array(epochSchema).min(1)),
  times: {
    shift: (histories, ms) =>
      Object.fromEntries(
        Object.entries(histories).map(([name, epochs]) => [
          name,
          epochs.map((epoch) => ({ ...epoch, at: epoch.at + ms })),
        ]),
      ),
    wallVersion: 1,
  },
  fromPlain: (json) => plainSchema.safeParse(json).data?.services,
};
