/** Finds the entries of flows: the twin of bpf/flow_lookup.h. */

import type { CompiledService } from '../image/index.js';
import { type Entry, flowKey, ownerOf } from './flow_entry.js';
import type { Maps, RecalledFlow } from './maps.js';
import { clientOf, type Packet } from './parse.js';
import type { LiveState } from './state.js';

/** The entry of a packet's flow. */
export function findFlow(maps: Maps, service: CompiledService, packet: Packet): Entry | undefined {
  const key = flowKey(service, packet);
  return (
    maps.memory.flows.get(key) ??
    remember(
      maps,
      service,
      packet,
      key,
      maps.recall?.flow(service, ownerOf(service, packet), clientOf(packet), packet.ports.destination),
    )
  );
}

/** Gives the oracle an entry for what was recalled. */
export function remember(
  { memory, now }: Maps,
  service: Pick<CompiledService, 'name'>,
  packet: Packet,
  key: string,
  found: RecalledFlow | undefined,
): Entry | undefined {
  if (found === undefined) {
    return undefined;
  }
  const { address } = found;
  const state = found.state as LiveState;
  // What is recalled is decided upon once, and never expires here.
  const entry = { service: service.name, client: clientOf(packet), address, state, seen: now(), timeout: Infinity };
  memory.flows.set(key, entry);
  return entry;
}
