/** BPF ring buffers: records of programs, delivered as events. */

import { addon, type NativeRingBuffer } from '../native/index.js';
import type { BpfMap } from './map.js';

/**
 * Reads a map of type ringbuf until it is closed. It keeps the process alive until `unref` is called.
 *
 * Minimum kernel version: 5.8.
 */
export class RingBuffer implements Disposable {
  readonly #native: NativeRingBuffer;

  /** @param onRecords called with the records since the last call, oldest first, at most 1,024 at once */
  constructor(map: BpfMap, onRecords: (records: Uint8Array[]) => void) {
    this.#native = new addon.RingBuffer(map.native, onRecords);
  }

  /** Takes the records that are there, without waiting for the event. */
  consume(): Uint8Array[] {
    return this.#native.consume();
  }

  ref(): void {
    this.#native.setReferenced(true);
  }

  unref(): void {
    this.#native.setReferenced(false);
  }

  /** Closes the ring buffer. No call of `onRecords` begins after this. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
