/** The control word block: which copy packets read, what the program was loaded for, and the timeouts of flows. */

import * as layout from '../../layout/index.js';
import type { BpfMap, Mapping } from '../../libbpf/index.js';
import type { Family } from '../../model/index.js';

const CONTROL_MAGIC = layout.controlMagic.magic;

/** The part of a flow table that is in use, in entries: see `flow_extents` in bpf/layout.h. */
export interface FlowExtents {
  readonly present: number;
  /** The part before, while some flows may still stand there; else the same. */
  readonly former: number;
}

/** The entries that a table's flows have room in at first: those of a small site stay in the processor's cache. */
export const FIRST_EXTENT = 1 << 13;

/** struct control, in the program's `.data.control`. */
export class Control {
  readonly #memory: Mapping;

  constructor(memory: Mapping) {
    this.#memory = memory;
  }

  /**
   * Fills the block of new maps.
   *
   * @param extents of the flow tables, in entries
   */
  initialize(features: number, hashSecret: BigUint64Array, extents: Readonly<Record<Family, FlowExtents>>): void {
    const view = new DataView(new ArrayBuffer(layout.control.byteLength));
    view.setUint32(layout.control.magic.offset, CONTROL_MAGIC, true);
    view.setBigUint64(layout.control.layout.offset, layout.fingerprint, true);
    view.setUint32(layout.control.features.offset, features, true);
    const bytes = new Uint8Array(view.buffer);
    bytes.set(bytesOf(hashSecret), layout.control.hashSecret.offset);
    for (const family of [4, 6] as const) {
      view.setBigUint64(extentsAt(family), encodeExtents(family, extents[family]), true);
    }
    this.#memory.write(0, bytes);
  }

  /** The copy that packets read. */
  get activeCopy(): 0 | 1 {
    return (this.#memory.load32(layout.control.active.offset) & 1) as 0 | 1;
  }

  /** Switches packets to `copy`, as a whole, and counts the publication. */
  activate(copy: 0 | 1): void {
    const generation = new DataView(new ArrayBuffer(8));
    generation.setBigUint64(0, this.generation + 1n, true);
    this.#memory.write(layout.control.generation.offset, new Uint8Array(generation.buffer));
    this.#memory.store32(layout.control.active.offset, copy);
  }

  /** The number of publications into these maps. */
  get generation(): bigint {
    return this.#read64(layout.control.generation.offset);
  }

  /** The features that the program was loaded for: bits of enum feature. */
  get features(): number {
    return this.#memory.load32(layout.control.features.offset);
  }

  set features(features: number) {
    this.#memory.store32(layout.control.features.offset, features);
  }

  /** The secret that spreads flows and fragments over their tables: HASH_SECRET_WORDS words. */
  get hashSecret(): BigUint64Array {
    const { offset, size } = layout.control.hashSecret;
    return new BigUint64Array(this.#memory.read(offset, new Uint8Array(size)).buffer);
  }

  /** Sets after how long flows of each state may give way to others. */
  setTimeouts(units: Uint32Array): void {
    this.#memory.write(layout.control.flowTimeouts.offset, new Uint8Array(units.buffer));
  }

  /** Returns where flows of a family can stand. */
  flowExtents(family: Family): FlowExtents {
    const word = this.#read64(extentsAt(family));
    const entries = (mask: bigint): number => (Number(mask & 0xffff_ffffn) + 1) * waysOf(family);
    return { present: entries(word), former: entries(word >> 32n) };
  }

  /**
   * Gives a table another extent, in entries: a power of two of buckets. While flows are moved to a smaller one, a larger
   * one turns that round. False while they are moved to a larger one, if a packet gave it another one just now, or if the
   * extents are held.
   */
  resizeFlows(family: Family, wanted: number): boolean {
    const before = this.flowExtents(family);
    const turns = before.former > before.present && wanted > before.present;
    const present = turns ? before.former : wanted;
    return (
      (turns || before.present === before.former) &&
      this.#memory.load32(layout.control.flowsHeld.offset) === 0 &&
      this.#memory.exchange64(
        extentsAt(family),
        encodeExtents(family, before),
        encodeExtents(family, { present, former: before.present }),
      )
    );
  }

  /** Lets no packet and nobody else change the extents of the flow tables, or lets them again. */
  holdFlows(held: boolean): void {
    this.#memory.store32(layout.control.flowsHeld.offset, Number(held));
  }

  #read64(offset: number): bigint {
    const bytes = this.#memory.read(offset, new Uint8Array(8));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }
}

/** Returns the offset of a table's extents. */
export function extentsAt(family: Family): number {
  const { offset, stride } = layout.control.flowExtents;
  return offset + (family === 4 ? 0 : stride);
}

function encodeExtents(family: Family, { present, former }: FlowExtents): bigint {
  const mask = (entries: number): bigint => BigInt(entries / waysOf(family) - 1);
  return (mask(former) << 32n) | mask(present);
}

function waysOf(family: Family): number {
  return layout.flowWays[`ipv${family}`];
}

/** Returns the memory of some words. */
export function bytesOf({ buffer, byteOffset, byteLength }: BigUint64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Returns whether a pinned map is a control block of this version's layout. */
export function isOurControl(map: BpfMap): boolean {
  if (map.info.valueSize !== layout.control.byteLength) {
    return false;
  }
  using memory = map.mmap('read');
  const bytes = memory.read(0, new Uint8Array(layout.control.byteLength));
  const view = new DataView(bytes.buffer);
  return (
    view.getUint32(layout.control.magic.offset, true) === CONTROL_MAGIC &&
    view.getBigUint64(layout.control.layout.offset, true) === layout.fingerprint
  );
}
