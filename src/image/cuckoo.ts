/** The service table's two-choice hash: where each key stands, so that a packet looks in two places at most. */

import { multiply, type Word64, wordAt, wordSequence, xor } from './word64.js';

/** Keys of 8 bytes (IPv4) or 20 bytes (IPv6), all of one kind. */
export interface CuckooTable {
  /** The two odd multipliers that the program hashes with. */
  readonly multipliers: readonly [Word64, Word64];
  /** For each key, in the order given, the entry it stands in. */
  readonly positions: Uint32Array;
}

/** Fullest a table gets: at half full, two-choice insertion begins to fail. */
const MAX_LOAD = 0.4;
/** Evictions before other multipliers are tried. */
const MAX_EVICTIONS = 500;
const MAX_ATTEMPTS = 64;
/** Any constant does, as long as every director has the same. */
const SEED = 0x6265656c696e65n;

/** How many entries a table for so many keys needs: a power of two. */
export function entriesFor(keys: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(keys, 1) / MAX_LOAD));
}

/**
 * Places keys, which are all different, in a table of `entries` (a power of two, at least `entriesFor` of them).
 *
 * @throws RangeError when they do not fit, which with enough entries does not happen
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
    // The newcomer takes its first choice; whoever stood there goes to its other one, and so on.
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

/** The two entries a key may stand in: the arithmetic of bpf/match.h. */
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
