/** The map of the interfaces that packets can be redirected to. */

import { type BpfMap, KernelError } from '../../libbpf/index.js';

export class Devices {
  readonly map: BpfMap;
  #known: readonly number[] | undefined;

  /** @param before the same map of another set, whose interfaces need not be read again */
  constructor(map: BpfMap, before?: Devices) {
    this.map = map;
    this.#known = before === undefined ? undefined : before.#known;
  }

  /** Sets the interfaces, by index. One that has vanished in the meantime is left out. */
  set(ifindices: readonly number[]): void {
    const before = this.#known ?? [...this.map.keys()].map((key) => u32Of(key));
    for (const gone of before.filter((ifindex) => !ifindices.includes(ifindex))) {
      this.map.delete(u32Bytes(gone));
    }
    for (const added of ifindices.filter((ifindex) => !before.includes(ifindex))) {
      try {
        this.map.update(u32Bytes(added), u32Bytes(added));
      } catch (error) {
        if (!(error instanceof KernelError && (error.code === 'EINVAL' || error.code === 'ENODEV'))) {
          throw error;
        }
      }
    }
    this.#known = ifindices;
  }
}

function u32Bytes(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function u32Of(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}
