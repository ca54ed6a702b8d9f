/** Frames of the control socket: a length of four bytes, big-endian, then a MessagePack value of that length. Pure. */

import type * as msgpackr from 'msgpackr';
import * as pack from 'msgpackr/pack';

import { BeelineError } from '../model/index.js';

/**
 * The largest requests are configuration files, of which ten thousand real servers, each with a comment, are 1 MB, and
 * the edits of ipvsadm-restore: 65,534 real servers are 8 MB, and by IPv6 11.
 */
export const MAX_REQUEST_BYTES = 16 << 20;
/** The largest replies are listings: ten thousand real servers are 2 MB. */
export const MAX_REPLY_BYTES = 64 << 20;

const LENGTH_BYTES = 4;

/**
 * The part of the library without streams and native code, which would cost commands 15 ms. It is typed as the whole
 * library, since Node's module resolution does not find the part's types.
 */
const { Packr } = pack as unknown as typeof msgpackr;

/** Plain MessagePack that every implementation reads: no records, no class instances. */
const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: 'number' });

/** @throws BeelineError `CONTROL_FRAME` if the value is larger than the other side accepts */
export function encodeFrame(value: unknown, maxBytes: number): Buffer {
  const body = packr.pack(value);
  if (body.length > maxBytes) {
    throw new BeelineError('CONTROL_FRAME', `a frame of ${body.length} bytes exceeds the limit of ${maxBytes}`);
  }
  const frame = Buffer.alloc(LENGTH_BYTES + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, LENGTH_BYTES);
  return frame;
}

/** Reads frames from the pieces of a stream. Holds at most one frame and a piece. */
export class FrameDecoder {
  readonly #maxBytes: number;
  readonly #check: (body: Uint8Array) => void;
  #pieces: Uint8Array[] = [];
  #held = 0;
  /** How many bytes the next step needs: a length, then a frame. */
  #wanted = LENGTH_BYTES;

  /** @param check called with each frame before it is unpacked; an exception refuses it */
  constructor(maxBytes: number, check: (body: Uint8Array) => void = () => undefined) {
    this.#maxBytes = maxBytes;
    this.#check = check;
  }

  /** Whether the stream may end here, because it is not within a frame. */
  get isBetweenFrames(): boolean {
    return this.#held === 0;
  }

  /** The bytes of the frame that began, as far as they are known. */
  get frameBytes(): number {
    return this.#wanted;
  }

  /**
   * Yields the values that are complete with this piece.
   *
   * @throws BeelineError `CONTROL_FRAME` if a frame is too long or is not MessagePack; the rest of the stream cannot be
   *   read then
   */
  *push(piece: Uint8Array): Generator<unknown, void, undefined> {
    this.#pieces.push(piece);
    this.#held += piece.length;
    while (this.#held >= this.#wanted) {
      const [first] = this.#pieces;
      const buffer =
        this.#pieces.length === 1 && first !== undefined
          ? Buffer.from(first.buffer, first.byteOffset, first.byteLength)
          : Buffer.concat(this.#pieces);
      const length = buffer.readUInt32BE();
      if (length > this.#maxBytes) {
        throw new BeelineError('CONTROL_FRAME', `a frame of ${length} bytes exceeds the limit of ${this.#maxBytes}`);
      }
      const end = LENGTH_BYTES + length;
      const complete = buffer.length >= end;
      const rest = complete ? buffer.subarray(end) : buffer;
      this.#pieces = [rest];
      this.#held = rest.length;
      this.#wanted = complete ? LENGTH_BYTES : end;
      if (complete) {
        const body = buffer.subarray(LENGTH_BYTES, end);
        this.#check(body);
        yield decode(body);
      }
    }
  }
}

function decode(body: Uint8Array): unknown {
  try {
    return packr.unpack(body);
  } catch (error) {
    throw new BeelineError('CONTROL_FRAME', 'a frame is not a MessagePack value', { cause: error });
  }
}
