/** The bytes of one value. They are read piece by piece if the map is mapped into memory: a value can be half a gigabyte. */

import type { Mapping } from '../libbpf/index.js';

export interface Region {
  readonly byteLength: number;
  /** Copies some of the bytes. Programs may write meanwhile, so two calls may see different states. */
  read(offset: number, length: number): Uint8Array;
}

export function regionOfBytes(bytes: Uint8Array): Region {
  return { byteLength: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** @param start offset of the value in the mapping */
export function regionOfMapping(mapping: Mapping, start: number, byteLength: number): Region {
  return { byteLength, read: (offset, length) => mapping.read(start + offset, new Uint8Array(length)) };
}

export function isZero(bytes: Uint8Array): boolean {
  // Compares words if the bytes are aligned, for speed: tables have megabytes of zeros.
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).every((word) => word === 0);
  }
  return bytes.every((byte) => byte === 0);
}

/** Bytes that are read at once. */
const CHUNK_BYTES = 1 << 16;

/** Yields consecutive pieces of `stride` bytes with their numbers; those that are all zero only with `all`. */
export function* pieces(
  region: Region,
  { offset, stride, count, from, all }: { offset: number; stride: number; count: number; from: number; all: boolean },
): Generator<{ index: number; bytes: Uint8Array }, void, undefined> {
  const many = Math.max(1, Math.floor(CHUNK_BYTES / stride));
  for (let first = from; first < count; first += many) {
    const here = Math.min(many, count - first);
    const chunk = region.read(offset + first * stride, here * stride);
    if (!all && isZero(chunk)) {
      continue;
    }
    for (let i = 0; i < here; i += 1) {
      const bytes = chunk.subarray(i * stride, (i + 1) * stride);
      if (all || !isZero(bytes)) {
        yield { index: first + i, bytes };
      }
    }
  }
}
