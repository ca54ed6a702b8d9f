/** Templates of persistence: the twin of bpf/template.h. */

import { type CompiledService, persistenceMask } from '../image/index.js';
import type { Entry } from './flow_entry.js';
import { remember } from './flow_lookup.js';
import { storeFlow } from './flow_store.js';
import type { Maps } from './maps.js';
import { bytesKey, clientOf, type Packet } from './parse.js';

/** The template of a packet's client, or of its network. */
export function findTemplate(maps: Maps, service: CompiledService, packet: Packet): Entry | undefined {
  const key = templateKey(service, packet);
  return (
    maps.memory.flows.get(key) ?? remember(maps, service, packet, key, maps.recall?.template(service, clientOf(packet)))
  );
}

/** @param index the destination's */
export function storeTemplate(maps: Maps, service: CompiledService, packet: Packet, index: number): void {
  storeFlow(maps, service, packet, templateKey(service, packet), index, 'template-new');
}

function templateKey({ name, service }: CompiledService, { client }: Packet): string {
  const mask = persistenceMask(service);
  return `${name} ${bytesKey(client.map((byte, i) => byte & mask[i]!))}`;
}
