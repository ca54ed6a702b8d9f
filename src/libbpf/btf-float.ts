/** Converts floating-point values without losing a bit: numbers that JSON has to numbers, others to text. Pure. */

import { type BtfValue, ValueError } from './value.js';

const SIGN_ONLY: Readonly<Record<number, bigint>> = { 4: 1n << 31n, 8: 1n << 63n };
/** The NaN that arithmetic makes. Other NaNs are written in hexadecimal, which keeps their bits. */
const NAN_BITS: Readonly<Record<number, bigint>> = { 4: 0x7fc00000n, 8: 0x7ff8000000000000n };

/**
 * Converts the bits of a float to a number or text.
 *
 * @param size in bytes; for sizes other than 4 and 8 the bits in hexadecimal are returned
 */
export function floatFromBits(bits: bigint, size: number): number | string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits, true);
  const value = size === 4 ? view.getFloat32(0, true) : size === 8 ? view.getFloat64(0, true) : NaN;
  if (bits === SIGN_ONLY[size]) {
    return '-0';
  }
  if (Number.isNaN(value) && bits !== NAN_BITS[size]) {
    return `0x${bits.toString(16).padStart(size * 2, '0')}`;
  }
  return Number.isFinite(value) ? value : String(value);
}

/** Converts a number or text to the bits of a float. @throws ValueError if it is not a number, or too large for the size */
export function floatToBits(value: BtfValue, size: number, path: string): bigint {
  const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
  if (typeof text === 'string') {
    // Hexadecimal with as many digits as the type has is its bits.
    if (new RegExp(`^0x[0-9a-f]{${size * 2}}$`, 'i').test(text)) {
      return BigInt(text);
    }
    const isNumber = /^[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|Infinity)$/i.test(text);
    const number = Object.is(value, -0) ? -0 : Number(text);
    if (text === 'NaN' && size in NAN_BITS) {
      return NAN_BITS[size]!;
    }
    if (isNumber && size in NAN_BITS) {
      return bitsOf(number, size, path);
    }
  }
  const shown = typeof text === 'string' ? `"${text}"` : 'this';
  throw new ValueError(path, `${shown} is no number of ${size} bytes with a fraction`);
}

function bitsOf(number: number, size: number, path: string): bigint {
  if (size === 4 && Number.isFinite(number) && !Number.isFinite(Math.fround(number))) {
    throw new ValueError(path, `${number} is out of range for 4 bytes`);
  }
  const view = new DataView(new ArrayBuffer(8));
  if (size === 4) {
    view.setFloat32(0, number, true);
  } else {
    view.setFloat64(0, number, true);
  }
  return view.getBigUint64(0, true);
}
