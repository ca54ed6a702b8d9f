/** Reads and writes integers of any size in memory, and parses them as people write them. Pure. */

export type ByteOrder = 'little' | 'big';

/** A bit field. Bits count from the lowest one of the byte at `offset`, as little-endian compilers lay them out. */
export interface BitField {
  readonly offset: number;
  readonly bitShift: number;
  readonly bitSize: number;
}

/** Reads an integer of `size` bytes. Returns a number if that is exact, else a bigint. */
export function readInteger(
  bytes: Uint8Array,
  offset: number,
  size: number,
  { signed = false, order = 'little' }: { signed?: boolean; order?: ByteOrder } = {},
): number | bigint {
  if (size <= 4) {
    let value = 0;
    for (let i = 0; i < size; i += 1) {
      value = value * 256 + byteAt(bytes, order === 'big' ? offset + i : offset + size - 1 - i);
    }
    return signed && value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
  }
  let value = 0n;
  for (let i = 0; i < size; i += 1) {
    value = (value << 8n) | BigInt(byteAt(bytes, order === 'big' ? offset + i : offset + size - 1 - i));
  }
  return exactNumber(signed ? BigInt.asIntN(size * 8, value) : value);
}

/** Writes the lowest `size` bytes of an integer. */
export function writeInteger(
  bytes: Uint8Array,
  offset: number,
  size: number,
  value: bigint,
  order: ByteOrder = 'little',
): void {
  let rest = BigInt.asUintN(size * 8, value);
  for (let i = 0; i < size; i += 1) {
    bytes[order === 'big' ? offset + size - 1 - i : offset + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

/** Reads a bit field. */
export function readBits(bytes: Uint8Array, { offset, bitShift, bitSize }: BitField, signed: boolean): number | bigint {
  const size = Math.ceil((bitShift + bitSize) / 8);
  const value = BigInt.asUintN(bitSize, BigInt(readInteger(bytes, offset, size)) >> BigInt(bitShift));
  return exactNumber(signed ? BigInt.asIntN(bitSize, value) : value);
}

/** Writes a bit field. The other bits of its bytes stay as they are. */
export function writeBits(bytes: Uint8Array, { offset, bitShift, bitSize }: BitField, value: bigint): void {
  const size = Math.ceil((bitShift + bitSize) / 8);
  const mask = ((1n << BigInt(bitSize)) - 1n) << BigInt(bitShift);
  const others = BigInt(readInteger(bytes, offset, size)) & ~mask;
  writeInteger(bytes, offset, size, others | (BigInt.asUintN(bitSize, value) << BigInt(bitShift)));
}

/**
 * Parses a whole number: decimal, 0x… or 0b…. Returns undefined for everything else, also for numbers that are not exact
 * and for leading zeros, which some programs read as octal.
 */
export function parseInteger(value: unknown): bigint | undefined {
  switch (typeof value) {
    case 'bigint':
      return value;
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value) : undefined;
    case 'string': {
      const [, sign, digits] = /^([+-]?)(0x[0-9a-f]+|0b[01]+|0|[1-9]\d*)$/i.exec(value) ?? [];
      if (digits === undefined) {
        return undefined;
      }
      return sign === '-' ? -BigInt(digits) : BigInt(digits);
    }
    default:
      return undefined;
  }
}

function exactNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function byteAt(bytes: Uint8Array, index: number): number {
  const byte = bytes[index];
  if (byte === undefined) {
    throw new RangeError(`byte ${index} of ${bytes.length}`);
  }
  return byte;
}
