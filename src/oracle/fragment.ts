/** Later fragments follow their first fragment, whose ports are remembered: the twin of bpf/fragment.h. */

import type { Maps, RecalledFragment } from './maps.js';
import { bytesKey } from './parse.js';
import type { Header, Payload } from './walk.js';

export function findFragment({ memory, recall }: Maps, header: Header, payload: Payload): RecalledFragment | undefined {
  return (
    memory.fragments.get(fragmentKey(header, payload)) ??
    recall?.fragment(header.source, header.destination, payload.id)
  );
}

export function storeFragment({ memory }: Maps, header: Header, payload: Payload, first: RecalledFragment): void {
  memory.fragments.set(fragmentKey(header, payload), first);
}

function fragmentKey({ source, destination }: Header, { id }: Payload): string {
  return `${bytesKey(source)} ${bytesKey(destination)} ${id}`;
}
