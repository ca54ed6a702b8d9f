/** BPF object files: opened, configured, loaded into the kernel. */

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { addon, type NativeObject } from '../native/index.js';
import { BpfMap } from './map.js';
import { BpfProgram } from './program.js';

/**
 * A compiled BPF object (ELF). Open it, set sizes and initial values, load it; then its maps and programs are handles
 * of their own, which stay usable when the object is closed.
 */
export class BpfObject implements Disposable {
  readonly #native: NativeObject;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, BpfProgram>;

  /**
   * @param source the object's path, or its bytes
   * @param name what errors call it; by default the file's name
   * @throws KernelError with libbpf's messages in `log` when this is no BPF object
   */
  constructor(source: string | Uint8Array, name?: string) {
    const bytes = typeof source === 'string' ? readFileSync(source) : source;
    this.#native = new addon.BpfObject(bytes, name ?? (typeof source === 'string' ? basename(source) : 'object'));
    this.maps = new Map(this.#native.maps.map((native) => [native.name, new BpfMap(native)]));
    this.programs = new Map(this.#native.programs.map((native) => [native.name, new BpfProgram(native)]));
  }

  /** @throws RangeError naming the maps there are */
  map(name: string): BpfMap {
    return this.#member(this.maps, name, 'map');
  }

  /**
   * The map of a section of global variables: `.rodata`, `.data`, `.bss`, whose map libbpf names after the object too.
   *
   * @throws RangeError naming the maps there are
   */
  section(name: string): BpfMap {
    return this.#member(this.maps, [...this.maps.keys()].find((map) => map.endsWith(name)) ?? name, 'section');
  }

  /** @throws RangeError naming the programs there are */
  program(name: string): BpfProgram {
    return this.#member(this.programs, name, 'program');
  }

  /**
   * Creates the maps and loads the programs. Needs CAP_BPF, for XDP also CAP_NET_ADMIN (kernel 5.8).
   *
   * @throws KernelError; when the verifier refuses, `log` is its whole log and the message its last word
   */
  load(): void {
    this.#native.load();
  }

  /**
   * The same in another thread, since the verifier may take a second. Until it is over the object, its maps and its
   * programs are as if they were closed.
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
