/** Arithmetic of 64-bit words without BigInt, which is too slow for tables of thousands of keys. */

/** An unsigned 64-bit word as two unsigned 32-bit halves. */
export interface Word64 {
  readonly high: number;
  readonly low: number;
}

/** Returns the lower 64 bits of the product. */
export function multiply(a: Word64, b: Word64): Word64 {
  const [a0, a1] = [a.low & 0xffff, a.low >>> 16];
  const [b0, b1] = [b.low & 0xffff, b.low >>> 16];
  // The full product of the two low halves, by 16-bit digits; each sum stays below 2^53.
  const low = a0 * b0;
  const middle = a1 * b0 + a0 * b1 + Math.floor(low / 0x10000);
  const carry = a1 * b1 + Math.floor(middle / 0x10000);
  return {
    high: (carry + Math.imul(a.high, b.low) + Math.imul(a.low, b.high)) >>> 0,
    low: (((middle & 0xffff) << 16) | (low & 0xffff)) >>> 0,
  };
}

export function xor(a: Word64, b: Word64): Word64 {
  return { high: (a.high ^ b.high) >>> 0, low: (a.low ^ b.low) >>> 0 };
}

/** Reads a little-endian word. */
export function wordAt(bytes: Uint8Array, offset: number): Word64 {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { low: view.getUint32(offset, true), high: view.getUint32(offset + 4, true) };
}

/** Yields SplitMix64's sequence (Steele, Lea, Flood 2014). Deterministic: every director gets the same words. */
export function* wordSequence(seed: bigint): Generator<Word64, never, undefined> {
  for (let state = seed; ;) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let word = state;
    word = BigInt.asUintN(64, (word ^ (word >> 30n)) * 0xbf58476d1ce4e5b9n);
    word = BigInt.asUintN(64, (word ^ (word >> 27n)) * 0x94d049bb133111ebn);
    word ^= word >> 31n;
    yield { high: Number(word >> 32n), low: Number(word & 0xffffffffn) };
  }
}
