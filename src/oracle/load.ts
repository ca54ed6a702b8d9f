/** How loaded the destinations are, and which are over their threshold: the twin of bpf/load.h. */

import type { CompiledService } from '../image/index.js';
import type { IpAddress } from '../model/index.js';
import { classOf } from './flow_entry.js';
import type { Load, Maps } from './maps.js';
import type { LiveState } from './state.js';

/** A destination's name among the loads. */
export function loadName({ name }: Pick<CompiledService, 'name'>, address: IpAddress | undefined): string {
  return `${name} ${address ?? ''}`;
}

export function loadOf({ memory }: Maps, name: string): Load {
  const { active, inactive } = memory.loads.get(name) ?? { active: 0, inactive: 0 };
  return { active, inactive, overloaded: memory.overloaded.has(name), member: memory.members.get(name) ?? 0 };
}

/** Counts flows with their destination, or no longer. */
export function countFlow(
  { memory }: Maps,
  service: Pick<CompiledService, 'name' | 'destinations'>,
  address: IpAddress | undefined,
  state: LiveState,
  change: number,
): void {
  const { loads, overloaded } = memory;
  const name = loadName(service, address);
  const load = loads.get(name) ?? { active: 0, inactive: 0, persistent: 0 };
  loads.set(name, load);
  load[classOf(state)] += change;
  const upper = service.destinations.find((each) => each.address === address)?.upperThreshold ?? 0;
  if (change > 0 && upper > 0 && load.active + load.inactive >= upper) {
    overloaded.add(name);
  }
}

/** Lets destinations take new flows again that are below their threshold, as a sweep does (native/src/flows.cc). */
export function endOverloads({ image, memory }: Maps): void {
  for (const service of image.services) {
    for (const { address, upperThreshold = 0, lowerThreshold = 0 } of service.destinations) {
      const name = loadName(service, address);
      const { active, inactive } = memory.loads.get(name) ?? { active: 0, inactive: 0 };
      const total = active + inactive;
      if (lowerThreshold > 0 ? total < lowerThreshold : total * 4 < upperThreshold * 3) {
        memory.overloaded.delete(name);
      }
    }
  }
}

/** Recalls how loaded a service's destinations are. A scheduler needs it before it compares them. */
export function recallLoads({ memory, recall }: Maps, service: CompiledService): void {
  const { loads, members, overloaded } = memory;
  for (const { address } of recall === undefined ? [] : service.destinations) {
    const name = loadName(service, address);
    if (!loads.has(name)) {
      const { member, overloaded: isOverloaded, ...load } = recall!.load(service, address);
      loads.set(name, load);
      if (isOverloaded) {
        overloaded.add(name);
      }
      if (member > 0) {
        members.set(name, member);
      }
    }
  }
}
