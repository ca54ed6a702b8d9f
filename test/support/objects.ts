/** The BPF objects that tests load. */

import { BpfObject } from '../../src/libbpf/index.js';

export const BINDING_OBJECT = 'dist/test/bpf/binding.bpf.o';
export const REFUSED_OBJECT = 'dist/test/bpf/refused.bpf.o';

/** Loads test/bpf/binding.bpf.c. */
export function loadBinding(configure: (object: BpfObject) => void = () => undefined): BpfObject {
  const object = new BpfObject(BINDING_OBJECT);
  configure(object);
  object.load();
  return object;
}

export function u32(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function u64(...values: bigint[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values).buffer);
}
