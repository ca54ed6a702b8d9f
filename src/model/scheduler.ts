/** Schedulers: their names, and what can be asked of them. */

/** How flows find their destination: Beeline's ring, then IPVS's schedulers under IPVS's names. */
export const SCHEDULERS = [
  'maglev',
  'rr',
  'wrr',
  'lc',
  'wlc',
  'sed',
  'nq',
  'sh',
  'mh',
  'dh',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'twos',
] as const;
export type Scheduler = (typeof SCHEDULERS)[number];

/** The schedulers that find a flow's slot from each of its packets, so that flows need not be remembered. */
export const HASHING_SCHEDULERS = ['maglev', 'sh', 'mh'] as const satisfies readonly Scheduler[];

export function isHashing(scheduler: Scheduler): boolean {
  return (HASHING_SCHEDULERS as readonly Scheduler[]).includes(scheduler);
}

/**
 * The schedulers that look at more of a weight than whether it is 0, and do so in proportion. Under the others a weight that
 * grows means nothing, or harm: rr and lc ignore it, fo takes the heaviest alone, sh gives a weight's number of buckets in a
 * row, and mh moves buckets between real servers whose weights stay (half of them over a ramp of one among ten).
 */
const WEIGHING: readonly Scheduler[] = ['maglev', 'wrr', 'wlc', 'sed', 'nq', 'ovf', 'lblc', 'lblcr', 'twos'];

/** Returns whether slow start has an effect under a scheduler. */
export function canRamp(scheduler: Scheduler): boolean {
  return WEIGHING.includes(scheduler);
}

/**
 * The options of sh and mh, as ipvsadm's -b names them. `port`: hash the client's port too. `fallback`: look for another
 * real server if the first takes no flows.
 */
export const SCHEDULER_FLAGS = ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'] as const;
export type SchedulerFlag = (typeof SCHEDULER_FLAGS)[number];

/** Returns whether a scheduler's flags ask it to hash the client's port too. */
export function hashesPort({
  scheduler,
  flags = [],
}: {
  scheduler: Scheduler;
  flags?: readonly SchedulerFlag[] | undefined;
}): boolean {
  return flags.some((flag) => flag === `${scheduler}-port`);
}

/** Which flows are remembered: all, or only those that a change of the real servers moves. */
export const TRACKING = ['all', 'moved'] as const;
export type Tracking = (typeof TRACKING)[number];
