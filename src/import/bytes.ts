/** Reads files that the user named, whatever they are, and makes text of them. */

import { closeSync, openSync, readSync } from 'node:fs';

const PIECE_BYTES = 64 << 10;

/**
 * Reads a file that the user named, which may be a pipe, or a device that never ends; "-" is standard input. Returns undefined
 * if it has more than so many bytes.
 */
export function readAtMost(path: string, most: number): Uint8Array | undefined {
  const descriptor = path === '-' ? 0 : openSync(path, 'r');
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const piece = Buffer.alloc(PIECE_BYTES);
      const read = readSync(descriptor, piece, 0, piece.length, null);
      if (read === 0) {
        return Buffer.concat(pieces);
      }
      length += read;
      if (length > most) {
        return undefined;
      }
      pieces.push(piece.subarray(0, read));
    }
  } finally {
    if (descriptor !== 0) {
      closeSync(descriptor);
    }
  }
}

/** UTF-8, or Latin-1 as comments of old files have it. */
export function decodeBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}
