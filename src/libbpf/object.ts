/** BPF object files: opened, configured and loaded into the kernel. */

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { addon, type NativeObject } from '../native/index.js';
import { BpfMap } from './map.js';
import { BpfProgram } from './program.js';

/**
 * A compiled BPF object (ELF). Open it, set sizes and initial values, then load it. Its maps and programs stay usable after
 * the object is closed.
 */
export class BpfObject implements Disposable {
  readonly #native: NativeObject;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, BpfProgram>;

  /**
   * Opens an object.
   *
   * @param source its path, or its bytes
   * @param name its name in errors; default: the file's name
   * @throws KernelError with libbpf's messages in `log` when it is not a BPF object
   */
  constructor(source: string | Uint8Array, name?: string) {
    const bytes = typeof source === 'string' ? readFileSync(source) : source;
    this.#native = new addon.BpfObject(bytes, name ?? (typeof source === 'string' ? basename(source) : 'object'));
    this.maps = new Map(this.#native.maps.map((native) => [native.name, new BpfMap(native)]));
    this.programs = new Map(this.#native.programs.map((native) => [native.name, new BpfProgram(native)]));
  }

  /** Returns the map with a name. @throws RangeError with the names of all maps */
  map(name: string): BpfMap {
    return this.#member(this.maps, name, 'map');
  }

  /**
   * Returns the map of a section of global variables: `.rodata`, `.data`, `.bss`. libbpf puts the object's name before the
   * section's.
   *
   * @throws RangeError with the names of all maps
   */
  section(name: string): BpfMap {
    return this.#member(this.maps, [...this.maps.keys()].find((map) => map.endsWith(name)) ?? name, 'section');
  }

  /** Returns the program with a name. @throws RangeError with the names of all programs */
  program(name: string): BpfProgram {
    return this.#member(this.programs, name, 'program');
  }

  /**
   * Creates the maps and loads the programs. Needs CAP_BPF (kernel 5.8), for XDP also CAP_NET_ADMIN.
   *
   * @throws KernelError; when the verifier refuses a program, `log` is its whole log and the message contains its last line
   */
  load(): void {
    this.#native.load();
  }

  /**
   * Does the same in another thread, since the verifier may take a second. Until then the object, its maps and its programs
   * behave as if they were closed.
   */
  loadAsync(): Promise<void> {
    return this.#native.loadAsync();
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #member<Member>(members: ReadonlyMap<string, Member>, name: string, kind: string): Member {
    const member = members.get(name);
    if (member === undefined) {
      throw new RangeError(`no ${kind} "${name}" among ${[...members.keys()].join(', ')}`);
    }
    return member;
  }
}
