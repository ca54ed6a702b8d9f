/** The slot of a ring that a flow falls on, and the destination that it leads to: the twin of bpf/ring.h. */

import { type CompiledService, SLOT_UNMOVED } from '../image/index.js';
import { ringHash } from './hash.js';
import type { Client } from './parse.js';

/** The slot of a ring of `slots` (a power of two) that a client's flow falls on. */
export function ringSlot({ address, port }: Client, slots: number): number {
  return Number(ringHash(address, port) >> BigInt(64 - Math.log2(slots)));
}

/** The index of the destination that a client's flow goes to by the ring; undefined when the ring is empty. */
export function pickByRing({ ring }: CompiledService, client: Client): number | undefined {
  return ring?.[ringSlot(client, ring.length)];
}

/** Whether a change touched a slot of the ring, so that some of its flows have entries. */
export function isMoved({ ring, previous }: CompiledService, client: Client): boolean {
  return (previous?.[ringSlot(client, ring?.length ?? 1)] ?? SLOT_UNMOVED) !== SLOT_UNMOVED;
}
