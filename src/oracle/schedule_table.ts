/** The schedulers that go by a table: the twin of bpf/schedule_table.h. */

import { foldAddress, MH_SLOTS, mhSlot, SH_SLOTS, shSlot } from './hash.js';
import type { Client } from './parse.js';
import type { Scheduled, SchedulerState } from './policy.js';
import { ringSlot } from './ring.js';

/** The word that sh and mh hash: the client's address folded, and its port when asked for. */
function hashedWord({ scheduler, flags }: Scheduled, { address, port }: Client): number {
  const withPort = flags.some((flag) => flag === `${scheduler}-port`);
  return (foldAddress(address) + (withPort ? port : 0)) >>> 0;
}

/** A flow's slot under a scheduler that hashes. */
export function hashedSlot(service: Scheduled, client: Client): number {
  switch (service.scheduler) {
    case 'mh':
      return mhSlot(hashedWord(service, client));
    case 'sh':
      return shSlot(hashedWord(service, client));
    default:
      return ringSlot(client, service.ring!.length);
  }
}

/** The destination that a flow's slot leads to, at its threshold or not; undefined when its weight is 0. */
export function slotOwner(service: Scheduled, client: Client): number | undefined {
  const index = service.ring?.[hashedSlot(service, client)];
  return index !== undefined && service.reachable[index]! && service.weights[index]! > 0 ? index : undefined;
}

/** The flow's slot, and then those that the scheduler tries next. */
function* hashedSlots(service: Scheduled, client: Client): Generator<number> {
  if (service.ring === undefined) {
    return;
  }
  const slot = hashedSlot(service, client);
  const { scheduler, flags, ring } = service;
  yield slot;
  if (scheduler !== 'maglev' && !flags.some((flag) => flag === `${scheduler}-fallback`)) {
    return;
  }
  for (let step = 0; step < ring.length; step += 1) {
    switch (scheduler) {
      case 'mh':
        yield mhSlot(hashedWord(service, client) + ((step + slot) % MH_SLOTS));
        break;
      case 'sh':
        yield (step + 2 * slot) % SH_SLOTS;
        break;
      default:
        yield (slot + 1 + step) % ring.length;
    }
  }
}

/** maglev, sh and mh. Thresholds are for new flows: one that goes on stays where its slot leads. */
export function scheduleByHash(
  service: Scheduled,
  client: Client,
  takesFlow: (index: number) => boolean,
  goesOn: boolean,
): number | undefined {
  const owner = slotOwner(service, client);
  if (goesOn && owner !== undefined) {
    return owner;
  }
  for (const slot of hashedSlots(service, client)) {
    const index = service.ring![slot]!;
    if (takesFlow(index)) {
      return index;
    }
  }
  return undefined;
}

/** rr, wrr and dh: one slot after another. */
export function scheduleBySequence(
  { ring }: Scheduled,
  state: SchedulerState,
  takesFlow: (index: number) => boolean,
): number | undefined {
  if (ring === undefined) {
    return undefined;
  }
  const begin = Number(state.count % BigInt(ring.length));
  state.count += 1n;
  for (let step = 0; step <= ring.length; step += 1) {
    const index = ring[(begin + step) % ring.length]!;
    if (takesFlow(index)) {
      state.count += BigInt(step);
      return index;
    }
  }
  return undefined;
}
