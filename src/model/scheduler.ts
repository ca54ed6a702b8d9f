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
