/** Every scheduler, by its name: the twin of bpf/schedule.h. */

import type { Load } from './maps.js';
import type { Client } from './parse.js';
import { type Scheduled, type SchedulerState, takes } from './policy.js';
import { scheduleLeast } from './schedule_least.js';
import { scheduleHeaviest, scheduleInUse } from './schedule_scan.js';
import { scheduleByHash, scheduleBySequence } from './schedule_table.js';
import { scheduleTwos } from './schedule_twos.js';

/**
 * The destination for a new flow, undefined when none takes it.
 *
 * @param load of a destination, by its index
 * @param state is brought up to date
 * @param join lblcr: puts a destination among those in use, as the last of them
 * @param goesOn whether the flow began earlier, and is not remembered: where its slot leads, thresholds do not stop it
 */
export function schedule(
  service: Scheduled,
  client: Client,
  load: (index: number) => Load,
  state: SchedulerState,
  join: (index: number) => void,
  goesOn = false,
): number | undefined {
  const { scheduler, weights } = service;
  const takesFlow = (index: number): boolean => takes(service, index, load);
  const candidates = { load, weights, taking: weights.map((_, index) => index).filter(takesFlow) };
  switch (scheduler) {
    case 'maglev':
    case 'sh':
    case 'mh':
      return scheduleByHash(service, client, takesFlow, goesOn);
    case 'rr':
    case 'wrr':
    case 'dh':
      return scheduleBySequence(service, state, takesFlow);
    case 'lc':
    case 'wlc':
    case 'sed':
    case 'nq':
      return scheduleLeast(scheduler, candidates);
    case 'fo':
    case 'ovf':
      return scheduleHeaviest(scheduler, candidates);
    case 'lblc':
    case 'lblcr':
      return scheduleInUse(scheduler, service, candidates, state, join);
    case 'twos':
      return scheduleTwos(candidates, state);
  }
}
