/** The tables of IPVS's source hashing (sh), Maglev hashing (mh) and destination hashing (dh), and their hashes. */

import * as layout from '../layout/index.js';

/** Slots of sh's and dh's tables (IP_VS_SH_TAB_SIZE, IP_VS_DH_TAB_SIZE). */
export const SH_SLOTS = layout.sh.slots;
/** Slots of mh's table (IP_VS_MH_TAB_SIZE as kernels are built by default). */
export const MH_SLOTS = layout.mh.slots;

/** GOLDEN_RATIO_32 (include/linux/hash.h). */
const GOLDEN_RATIO = layout.sh.multiplier;
/** generate_hash_secret() in ip_vs_mh.c. */
const MH_KEY_1 = BigInt(layout.mh.key);
const MH_KEY_2 = 2_654_446_892n;
/** Bits of mh's table index that weights may take (IP_VS_MH_TAB_BITS). */
const MH_WEIGHT_BITS = 6;
const WORD = (1n << 64n) - 1n;

/** Folds an address to 32 bits, a number in network order: IPv4's unchanged, IPv6's four words XORed. */
export function foldAddress(bytes: Uint8Array): number {
  let folded = 0;
  for (let i = 0; i < bytes.length; i += 4) {
    folded ^= (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!;
  }
  return folded >>> 0;
}

/** Returns the slot of sh's and dh's tables for a 32-bit word: hash_32() of include/linux/hash.h. */
export function shSlot(word: number): number {
  return Math.imul(word, GOLDEN_RATIO) >>> 24;
}

/** Returns the slot of mh's table for a 32-bit word. */
export function mhSlot(word: number): number {
  return sipHash13(word >>> 0, MH_KEY_1) % MH_SLOTS;
}

/**
 * Returns the low 32 bits of SipHash-1-3 of one 32-bit word under the 128-bit key (key, key) (Aumasson and Bernstein,
 * 2012; the variant is Linux's hsiphash).
 */
export function sipHash13(word: number, key: bigint): number {
  const block = (4n << 56n) | BigInt(word);
  let [v0, v1, v2, v3] = [
    key ^ 0x736f6d6570736575n,
    key ^ 0x646f72616e646f6dn,
    key ^ 0x6c7967656e657261n,
    key ^ 0x7465646279746573n ^ block,
  ];
  const round = (): void => {
    v0 = (v0 + v1) & WORD;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & WORD;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & WORD;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & WORD;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  round();
  v0 ^= block;
  v2 ^= 0xffn;
  round();
  round();
  round();
  return Number((v0 ^ v1 ^ v2 ^ v3) & 0xffff_ffffn);
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & WORD;
}

/**
 * Builds sh's table. Destinations take turns; each fills as many consecutive slots as its weight, at least one
 * (ip_vs_sh_reassign).
 *
 * @param weights in IPVS's order, the destination added last first; not empty
 * @returns slot to index into `weights`
 */
export function buildShTable(weights: readonly number[]): Uint16Array {
  const table = new Uint16Array(SH_SLOTS);
  let [index, filled] = [0, 0];
  for (let slot = 0; slot < SH_SLOTS; slot += 1) {
    table[slot] = index;
    filled += 1;
    if (filled >= weights[index]!) {
      index = (index + 1) % weights.length;
      filled = 0;
    }
  }
  return table;
}

/** Returns the index of the destination, of `count` in IPVS's order, to which dh sends a VIP's flows (ip_vs_dh_reassign). */
export function dhIndex(vip: Uint8Array, count: number): number {
  return shSlot(foldAddress(vip)) % count;
}

/** A destination in mh's table; `address` is folded. */
export interface MhMember {
  readonly address: number;
  readonly port: number;
  readonly weight: number;
}

/**
 * Builds mh's table from Maglev's permutations (ip_vs_mh_permutate, ip_vs_mh_populate). Weights are divided by their
 * greatest common divisor and shifted down to six bits.
 *
 * @param members in IPVS's order, the destination added last first
 * @returns slot to index into `members`; undefined if all weights are zero
 */
export function buildMhTable(members: readonly MhMember[]): Uint16Array | undefined {
  const divisor = members.reduce((gcd, { weight }) => greatestCommonDivisor(gcd, weight), 0);
  if (divisor === 0) {
    return undefined;
  }
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 0);
  const shift = Math.max(0, Math.floor(Math.log2(Math.floor(heaviest / divisor))) + 1 - MH_WEIGHT_BITS);
  const turns = members.map(({ weight }) => (weight === 0 ? 0 : Math.max(1, Math.floor(weight / divisor) >>> shift)));
  const hashes = members.map(({ address, port }) => (address + port) >>> 0);
  const next = hashes.map((word) => sipHash13(word, MH_KEY_1) % MH_SLOTS);
  const skips = hashes.map((word) => (sipHash13(word, MH_KEY_2) % (MH_SLOTS - 1)) + 1);

  const table = new Uint16Array(MH_SLOTS);
  const taken = new Uint8Array(MH_SLOTS);
  for (let filled = 0; ;) {
    for (let member = 0; member < members.length; member += 1) {
      for (let turn = 0; turn < turns[member]!; turn += 1) {
        while (taken[next[member]!] === 1) {
          next[member] = (next[member]! + skips[member]!) % MH_SLOTS;
        }
        taken[next[member]!] = 1;
        table[next[member]!] = member;
        filled += 1;
        if (filled === MH_SLOTS) {
          return table;
        }
      }
    }
  }
}

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
