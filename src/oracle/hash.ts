/** The hash functions in TypeScript, bit by bit: the twin of bpf/hash.h. IPVS's hashes stand in src/image/ipvs-hash.ts. */

export { foldAddress, MH_SLOTS, mhSlot, SH_SLOTS, shSlot } from '../image/index.js';
import { hashMultiplier } from '../layout/index.js';

const WORD = (1n << 64n) - 1n;
const { 1: MULTIPLIER_1, 2: MULTIPLIER_2, 3: MULTIPLIER_3 } = hashMultiplier;

/** One round of murmur3's finaliser, as mix() in bpf/hash.h has it. */
export function mix(value: bigint): bigint {
  const multiplied = (value * MULTIPLIER_1) & WORD;
  return ((multiplied ^ (multiplied >> 32n)) * MULTIPLIER_2) & WORD;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * The 64-bit hash of a flow. A ring of 2^k slots takes its upper k bits.
 *
 * @param clientAddress 4 or 16 bytes in network order
 * @param clientPort 0..65535
 */
export function ringHash(clientAddress: Uint8Array, clientPort: number): bigint {
  // The program reads the two bytes of the port as they lie in the packet, on a little-endian machine.
  const port = BigInt(((clientPort & 0xff) << 8) | (clientPort >> 8));
  if (clientAddress.length === 4) {
    return mix((port << 32n) | littleEndian(clientAddress));
  }
  const prefix = mix(littleEndian(clientAddress.subarray(0, 8)));
  const host = littleEndian(clientAddress.subarray(8));
  return mix(prefix ^ (prefix >> 32n) ^ ((host + port * MULTIPLIER_3) & WORD));
}
