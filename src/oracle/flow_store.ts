/** Stores, changes and forgets entries of flows: the twin of bpf/flow_store.h. */

import { type CompiledService, timeoutSeconds } from '../image/index.js';
import { type IpAddress, isUnneededFallback } from '../model/index.js';
import { classOf, type Entry } from './flow_entry.js';
import { countFlow } from './load.js';
import type { Maps } from './maps.js';
import { clientOf, type Packet } from './parse.js';
import type { LiveState } from './state.js';

/** @param index the destination's */
export function storeFlow(
  maps: Maps,
  service: CompiledService,
  packet: Packet,
  key: string,
  index: number,
  state: LiveState,
): void {
  const { address } = service.destinations[index]!;
  const timeout = timeoutSeconds(service.service, maps.image.timeouts, state);
  const entry = { service: service.name, client: clientOf(packet), address, state, seen: maps.now(), timeout };
  maps.memory.flows.set(key, entry);
  maps.memory.stored += 1;
  countFlow(maps, service, address, state, 1);
}

/** Gives an entry another destination, another state, and the present time. */
export function changeEntry(maps: Maps, service: CompiledService, entry: Entry, index: number, state: LiveState): void {
  const { address } = service.destinations[index]!;
  if (address !== entry.address || classOf(state) !== classOf(entry.state)) {
    countFlow(maps, service, entry.address, entry.state, -1);
    countFlow(maps, service, address, state, 1);
  }
  const timeout = timeoutSeconds(service.service, maps.image.timeouts, state);
  Object.assign(entry, { address, state, seen: maps.now(), timeout });
}

/** Forgets the flows whose timeouts have passed, and templates of fallbacks that are not needed, as the control plane's sweep does. */
export function forgetExpired(maps: Maps): void {
  const { image, memory, now } = maps;
  for (const [key, { service: name, state, seen, timeout, address }] of memory.flows) {
    const compiled = image.services.find((each) => each.name === name);
    const policy = compiled?.service ?? image.ghosts.find((each) => each.service === name)?.policy;
    const isOver = now() - seen > timeout || (classOf(state) === 'persistent' && leadsToUnneeded(compiled, address));
    if (policy === undefined || isOver) {
      memory.flows.delete(key);
      if (policy !== undefined) {
        countFlow(maps, compiled ?? { name, destinations: [] }, address, state, -1);
      }
    }
  }
}

function leadsToUnneeded(compiled: CompiledService | undefined, address: IpAddress | undefined): boolean {
  const destination = compiled?.destinations.find((each) => each.address === address);
  return destination !== undefined && isUnneededFallback(destination);
}
