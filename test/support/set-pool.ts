/**
 * Sets of maps with loaded programs that tests have done with: wiped and used again by the same process, since the verifier
 * takes seconds of a CPU for each program.
 */

import { DIRECTOR_OBJECT, MapSet } from '../../src/dataplane/index.js';
import type { Geometry } from '../../src/image/index.js';

/** The most sets that wait for each use: few tests have more directors at a time. */
const MOST = 3;
/** BPF_F_MMAPABLE and BPF_F_RDONLY_PROG (linux/bpf.h). */
const MAPPABLE = 1 << 10;
const CONSTANT = 1 << 7;

interface Waiting {
  readonly set: MapSet;
  /** The block of control as it was when the set was new. */
  readonly control: Uint8Array;
}

const pool = new Map<string, Waiting[]>();
/** Sets whose maps, or some of them, another set uses too. */
const shared = new WeakSet<MapSet>();

/** As MapSet.create, for the director's own program. */
export async function createSet(geometry: Geometry, features: number, before?: MapSet): Promise<MapSet> {
  if (before !== undefined) {
    shared.add(before);
    const larger = await MapSet.create(DIRECTOR_OBJECT, geometry, features, before);
    shared.add(larger);
    return larger;
  }
  const key = JSON.stringify([geometry, features]);
  const waiting = pool.get(key)?.pop();
  if (waiting !== undefined) {
    wipe(waiting);
    return waiting.set;
  }
  const set = await MapSet.create(DIRECTOR_OBJECT, geometry, features);
  const memory = set.memory.mapping('control');
  const control = memory.read(0, new Uint8Array(memory.byteLength));
  const close = set.close.bind(set);
  set.close = () => {
    const others = pool.get(key) ?? [];
    pool.set(key, others);
    if (shared.has(set) || others.length >= MOST) {
      close();
    } else {
      others.push({ set, control });
    }
  };
  return set;
}

/** As MapSet.reload: from then on both sets have the same maps, and neither is used again. */
export async function reloadSet(from: MapSet, features: number): Promise<MapSet> {
  shared.add(from);
  const next = await MapSet.reload(DIRECTOR_OBJECT, from, features);
  shared.add(next);
  return next;
}

/** Makes all maps as they were when the set was new. */
function wipe({ set, control }: Waiting): void {
  set.devices.set([]);
  for (const map of set.maps.values()) {
    const { type, flags } = map.info;
    // The program's constants are the same as before, and cannot be written.
    if (type === 'array' && (flags & (MAPPABLE | CONSTANT)) === MAPPABLE) {
      const memory = map.mmap('write');
      memory.zero(0, memory.byteLength);
      memory.close();
    }
  }
  set.memory.mapping('control').write(0, control);
}
