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

/** Two characters of 32 bits, each with its key, in one product: keyed() in bpf/hash.h. */
function keyed(characters: bigint, first: bigint, second: bigint): bigint {
  return (characters + first) * ((characters >> 32n) + second);
}

function spread(sum: bigint): bigint {
  const word = sum & WORD;
  return ((word ^ (word >> 32n)) * MULTIPLIER_2) & WORD;
}

/**
 * The 64-bit hash of a flow's key: its upper bits are the flow's first bucket.
 *
 * @param key the entry without its data, 8 bytes for IPv4 and 24 for IPv6
 * @param secret HASH_SECRET_WORDS words
 */
export function flowHash(key: Uint8Array, secret: BigUint64Array): bigint {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const sum = keyed(view.getBigUint64(0, true), secret[0]!, secret[1]!);
  if (key.length === 8) {
    return spread(sum);
  }
  const [host, rest] = [view.getBigUint64(8, true), view.getBigUint64(16, true)];
  return spread(sum + keyed(host, secret[2]!, secret[3]!) + (rest + secret[4]!) * secret[5]!);
}

/** Its upper bits are a flow's second bucket: flow_second_hash() in bpf/hash.h. */
export function secondFlowHash(hash: bigint): bigint {
  return ((hash ^ (hash >> 32n)) * MULTIPLIER_3) & WORD;
}

/**
 * The hash of a fragmented packet: its upper bits are the packet's bucket. fragment4_hash() and fragment6_hash() in
 * bpf/hash.h.
 *
 * @param addresses source and destination, 4 or 16 bytes each
 * @param rest IPv4: id and protocol, 3 bytes; IPv6: id, 4 bytes
 */
export function fragmentHash(addresses: Uint8Array, rest: Uint8Array, secret: BigUint64Array): bigint {
  const view = new DataView(addresses.buffer, addresses.byteOffset, addresses.byteLength);
  const character = rest.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let sum = (character + secret[4]!) * secret[5]!;
  // The fifth and sixth word of the secret are the rest's.
  for (let at = 0, key = 0; at < addresses.length; at += 8, key = key === 2 ? 6 : key + 2) {
    sum += keyed(view.getBigUint64(at, true), secret[key]!, secret[key + 1]!);
  }
  return spread(sum);
}
