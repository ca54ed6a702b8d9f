/** The memory of the maps, which this process shares with the program: reads and writes without system calls. */

import type { BpfMap, Mapping } from '../../libbpf/index.js';
import { MAP_KEYS, type MapKey, mapValues } from './names.js';

/** Array elements start at multiples of eight (kernel/bpf/arraymap.c). */
const ELEMENT_ALIGNMENT = 8;

export class MapMemory {
  readonly #mappings: Readonly<Record<MapKey, Mapping>>;
  readonly #strides: Readonly<Record<MapKey, number>>;
  /** Asked for once: reading counters then makes no system call. */
  readonly #elements: Readonly<Record<MapKey, number>>;

  constructor(maps: Readonly<Record<MapKey, BpfMap>>) {
    this.#mappings = mapValues((key) => maps[key].mmap('write'));
    this.#strides = mapValues((key) => Math.ceil(maps[key].info.valueSize / ELEMENT_ALIGNMENT) * ELEMENT_ALIGNMENT);
    this.#elements = mapValues((key) => maps[key].info.maxEntries);
  }

  /** The memory of a whole map. */
  mapping(key: MapKey): Mapping {
    return this.#mappings[key];
  }

  /** The number of a map's elements. */
  elements(key: MapKey): number {
    return this.#elements[key];
  }

  /** The distance of two elements in bytes. */
  stride(key: MapKey): number {
    return this.#strides[key];
  }

  /** Copies a part of an element. */
  read(key: MapKey, element: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
    return this.#mappings[key].read(element * this.#strides[key] + offset, new Uint8Array(length));
  }

  write(key: MapKey, element: number, offset: number, bytes: Uint8Array): void {
    this.#mappings[key].write(element * this.#strides[key] + offset, bytes);
  }

  zero(key: MapKey, element: number, offset: number, length: number): void {
    this.#mappings[key].zero(element * this.#strides[key] + offset, length);
  }

  /** Reads a 32-bit word of an element. */
  load32(key: MapKey, element: number, offset: number): number {
    return this.#mappings[key].load32(element * this.#strides[key] + offset);
  }

  /** Copies a part of all elements, for example one row of counters for each CPU. */
  readAll(key: MapKey, length: number): Uint8Array<ArrayBuffer>[] {
    return Array.from({ length: this.#elements[key] }, (_, element) => this.read(key, element, 0, length));
  }

  close(): void {
    for (const key of MAP_KEYS) {
      this.#mappings[key].close();
    }
  }
}
