/** The two-choice (cuckoo) hash of the service tables: a packet looks at two entries at most. */

import { multiply, type Word64, wordAt, wordSequence, xor } from './word64.js';

/** Keys of 8 bytes (IPv4) or 20 bytes (IPv6), all of one kind. */
export interface CuckooTable {
  /** The two odd multipliers of the hash. */
  readonly multipliers: readonly [Word64, Word64];
  /** The index of the entry of each key, in the order of the keys. */
  readonly positions: Uint32Array;
}

/** The most that a table is filled: from a half on, two-choice insertion begins to fail. */
const MAX_LOAD = 0.4;
/** The most evictions before other multipliers are tried. */
const MAX_EVICTIONS = 500;
const MAX_ATTEMPTS = 64;
/** Arbitrary, but the same on every director. */
const SEED = 0x6265656c696e65n;

/** Returns how many entries a table needs for a number of keys: a power of two. */
export function entriesFor(keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(keys, 1) / MAX_LOAD));
}

/**
 * Places different keys in a table.
 *
 * @param entries a power of two, at least `entriesFor(keys.length)`
 * @throws RangeError if they do not fit, which does not happen with enough entries
 */
export function placeKeys(keys: readonly Uint8Array[], entries: number): CuckooTable {
  const words = wordSequence(SEED);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const multipliers = [odd(words.next().value), odd(words.next().value)] as const;
    const positions = tryPlace(keys, entries, multipliers);
    if (positions !== undefined) {
      return { multipliers, positions };
    }
  }
  throw new RangeError(`${keys.length} keys do not fit into ${entries} entries`);
}

function odd(word: Word64): Word64 {
  return { high: word.high, low: (word.low | 1) >>> 0 };
}

function tryPlace(
  keys: readonly Uint8Array[],
  entries: number,
  multipliers: readonly [Word64, Word64],
): Uint32Array | undefined {
  const choices = keys.map((key) => choicesOf(key, entries, multipliers));
  const owners = new Int32Array(entries).fill(-1);
  for (let first = 0; first < keys.length; first += 1) {
    // The new key takes its first choice; the key that was there moves to its other one, and so on.
    let key = first;
    let entry = choices[key]![0];
    for (let evictions = 0; ; evictions += 1) {
      const evicted = owners[entry]!;
      owners[entry] = key;
      if (evicted < 0) {
        break;
      }
      if (evictions === MAX_EVICTIONS) {
        return undefined;
      }
      const [one, two] = choices[evicted]!;
      key = evicted;
      entry = entry === one ? two : one;
    }
  }
  const positions = new Uint32Array(keys.length);
  owners.forEach((key, entry) => {
    if (key >= 0) {
      positions[key] = entry;
    }
  });
  return positions;
}

/** Returns the two entries that a key may have: the arithmetic of bpf/match.h. */
export function choicesOf(
  key: Uint8Array,
  entries: number,
  [first, second]: readonly [Word64, Word64],
): [number, number] {
  const folded = key.length === 8 ? wordAt(key, 0) : fold(key, first, second);
  const shift = 32 - Math.log2(entries);
  return [multiply(folded, first).high >>> shift, multiply(folded, second).high >>> shift];
}

function fold(key: Uint8Array, first: Word64, second: Word64): Word64 {
  const half = { high: 0, low: new DataView(key.buffer, key.byteOffset).getUint32(16, true) };
  const sum = xor(multiply(xor(multiply(wordAt(key, 0), first), wordAt(key, 8)), second), half);
  return { high: sum.high, low: (sum.low ^ sum.high) >>> 0 };
}
