/**
 * Maintenance: real servers that an operator took out for a time (docs/adr/0029-maintenance-is-beside-the-configuration.md).
 * It is beside the configuration: a reload, which puts back what the file says, must not send packets to a machine that
 * somebody works on. Pure.
 */

import { z } from 'zod';

import { BeelineError, type IpAddress } from '../../model/index.js';
import type { Format } from '../../store/index.js';
import { addressSchema } from '../schema-values.js';

export interface Maintenance {
  /** serviceName(); undefined: in all services, also in those to come. */
  readonly service?: string | undefined;
  readonly address: IpAddress;
  /** Milliseconds since the machine started, as `until`. */
  readonly since: number;
  /** When it ends by itself; undefined: when somebody ends it. */
  readonly until?: number | undefined;
  /** An operator's words. */
  readonly reason?: string | undefined;
  /** Its flows go to others at once. Otherwise it keeps them, and takes no new ones. */
  readonly moves: boolean;
}

/** What a real server's packets need to know of it. The same object while the maintenance is the same. */
export interface Disabled {
  readonly reason: string;
  readonly moves: boolean;
}

export interface DisabledOf {
  /** The maintenances that it looks in: the same object while they are the same. */
  readonly all: readonly Maintenance[];
  find(service: string, address: IpAddress): Disabled | undefined;
}

export const maintenanceFormat: Format<readonly Maintenance[]> = {
  title: 'beeline-maintenance',
  version: 1,
  noun: 'maintenances',
  schema: z.array(
    z.strictObject({
      service: z.string().exactOptional(),
      address: addressSchema,
      since: z.number(),
      until: z.number().exactOptional(),
      reason: z.string().exactOptional(),
      moves: z.boolean(),
    }),
  ),
  times: {
    shift: (all, ms) =>
      all.map((each) => ({
        ...each,
        since: each.since + ms,
        ...(each.until !== undefined && { until: each.until + ms }),
      })),
    // There was no version whose times were the wall clock's.
    wallVersion: 0,
  },
};

type Key = Pick<Maintenance, 'service' | 'address'>;

function isSame(a: Key, b: Key): boolean {
  return a.address === b.address && a.service === b.service;
}

/** Adds a maintenance. One of the same real server and service is replaced, and goes on since it began. */
export function disable(all: readonly Maintenance[], next: Maintenance): readonly Maintenance[] {
  const before = all.find((each) => isSame(each, next));
  const since = before?.since ?? next.since;
  return [...all.filter((each) => each !== before), { ...next, since }];
}

/**
 * Ends a maintenance; of all services, those of single ones too.
 *
 * @throws BeelineError `NOT_FOUND` if there is none, or only one of all services
 */
export function enable(all: readonly Maintenance[], { service, address }: Key): readonly Maintenance[] {
  const ends = (each: Maintenance): boolean =>
    each.address === address && (service === undefined || each.service === service);
  const left = all.filter((each) => !ends(each));
  if (left.length < all.length) {
    return left;
  }
  const isEverywhere = all.some((each) => each.address === address && each.service === undefined);
  throw new BeelineError(
    'NOT_FOUND',
    service === undefined
      ? `${address} is not disabled`
      : `${address} is not disabled in ${service}${isEverywhere ? ' alone, but in all services' : ''}`,
    { hint: isEverywhere ? `"beeline enable all ${address}" ends that.` : '"beeline status" shows what is disabled.' },
  );
}

/** Returns those that go on. */
export function unexpired(all: readonly Maintenance[], now: number): readonly Maintenance[] {
  return all.every(({ until = Infinity }) => now < until) ? all : all.filter(({ until = Infinity }) => now < until);
}

/** "is disabled: new disks" */
export function reasonOf({ reason, moves }: Maintenance): string {
  return `is disabled${moves ? ', and its flows went to others' : ''}${reason === undefined ? '' : `: ${reason}`}`;
}

/** Finds the maintenance of a real server: its service's own before that of all services. */
export function disabledOf(all: readonly Maintenance[]): DisabledOf {
  const byKey = new Map(
    all.map((each) => [keyOf(each.service, each.address), { reason: reasonOf(each), moves: each.moves }]),
  );
  return {
    all,
    find: (service, address) => byKey.get(keyOf(service, address)) ?? byKey.get(keyOf(undefined, address)),
  };
}

function keyOf(service: string | undefined, address: IpAddress): string {
  return `${address} ${service ?? ''}`;
}
