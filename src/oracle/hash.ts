/** The data path's flow hash in TypeScript: the arithmetic of bpf/flow_entry.h, bit by bit. */

const WORD = (1n << 64n) - 1n;
const MULTIPLIER_1 = 0x9e3779b97f4a7c15n;
const MULTIPLIER_2 = 0xc2b2ae3d27d4eb4fn;
const MULTIPLIER_3 = 0x165667b19e3779f9n;

/** One round of murmur3's finaliser, as bpf/flow_entry.h has it. */
export function mixFlow(value: bigint): bigint {
  const multiplied = (value * MULTIPLIER_1) & WORD;
  return ((multiplied ^ (multiplied >> 32n)) * MULTIPLIER_2) & WORD;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * The 64-bit hash of a flow, of which a ring of 2^k slots takes the upper k bits.
 *
 * @param clientAddress 4 or 16 bytes in network order
 * @param clientPort 0..65535
 */
export function hashFlow(clientAddress: Uint8Array, clientPort: number): bigint {
  // The program reads the two bytes of the port as they lie in the packet, on a little-endian machine.
  const port = BigInt(((clientPort & 0xff) << 8) | (clientPort >> 8));
  if (clientAddress.length === 4) {
    return mixFlow((port << 32n) | littleEndian(clientAddress));
  }
  const prefix = mixFlow(littleEndian(clientAddress.subarray(0, 8)));
  const host = littleEndian(clientAddress.subarray(8));
  return mixFlow(prefix ^ (prefix >> 32n) ^ ((host + port * MULTIPLIER_3) & WORD));
}

/** The slot of a ring of `slots` (a power of two) that a hash falls on. */
export function slotOf(hash: bigint, slots: number): number {
  return Number(hash >> BigInt(64 - Math.log2(slots)));
}
