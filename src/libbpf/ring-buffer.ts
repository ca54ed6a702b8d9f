/** BPF ring buffers: records from the kernel, delivered as events. */

import { addon, type NativeRingBuffer } from '../native/index.js';
import type { BpfMap } from './map.js';

/** Reads a map of type ringbuf (kernel 5.8) for as long as it is open. It keeps the process alive unless `unref`ed. */
export class RingBuffer implements Disposable {
  readonly #native: NativeRingBuffer;

  /** @param onRecords called with what came since the last time, oldest first, at most 1,024 at once */
  constructor(map: BpfMap, onRecords: (records: Uint8Array[]) => void) {
    this.#native = new addon.RingBuffer(map.native, onRecords);
  }

  /** Takes at once what is there, without waiting for the event. */
  consume(): Uint8Array[] {
    return this.#native.consume();
  }

  ref(): void {
    this.#native.setReferenced(true);
  }

  unref(): void {
    this.#native.setReferenced(false);
  }

  /** No call of `onRecords` begins after this. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
