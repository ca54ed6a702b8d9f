/** The explaining program: the data path compiled without effects, which traces one packet over the director's maps. */

import * as layout from '../../layout/index.js';
import type { BpfMap, BpfProgram, Mapping } from '../../libbpf/index.js';
import { flowNow } from '../flows/flows.js';
import type { MapSet } from '../maps/map-set.js';
import { decodeTrace, type Trace } from './trace.js';

/** Maps that are not the director's: a trace, and scratch memory, which packets must not share. */
const OWN_MAPS = ['.data.trace', 'flow_queries'] as const;

/** The program, and those that its tail calls lead to. */
const PROGRAMS = ['explain', 'unusual4', 'unusual6'] as const;

export interface Explained {
  readonly trace: Trace;
  /** An XdpAction. */
  readonly action: number;
  /** The frame as it would leave, or go to the host. */
  readonly frame: Uint8Array;
}

export class Explainer implements Disposable {
  readonly #set: MapSet;
  readonly #program: BpfProgram;
  readonly #maps: readonly BpfMap[];
  readonly #programs: readonly BpfProgram[];
  readonly #memory: Mapping;

  private constructor(set: MapSet, { programs, maps }: Awaited<ReturnType<MapSet['loadBeside']>>) {
    this.#set = set;
    this.#programs = [...programs.values()];
    this.#maps = [...maps.values()];
    this.#program = programs.get('explain')!;
    this.#memory = maps.get('.data.trace')!.mmap('write');
  }

  /**
   * Loads the program in another thread, which takes as long as loading the director. Close the explainer when the set is
   * no longer in use.
   *
   * @param objectPath explain.bpf.o
   * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`
   */
  static async load(objectPath: string, set: MapSet): Promise<Explainer> {
    return new Explainer(set, await set.loadBeside(objectPath, PROGRAMS, OWN_MAPS));
  }

  /**
   * Traces a frame as if it arrived now.
   *
   * @param ifindex the interface that it arrives by; default: the loopback interface
   * @throws KernelError `ENODEV` if there is no such interface
   */
  explain(frame: Uint8Array, ifindex?: number): Explained {
    this.#memory.zero(0, layout.trace.byteLength);
    const { returnValue, data } = this.#program.run({
      data: frame,
      ...(ifindex !== undefined && { origin: { ifindex } }),
    });
    const bytes = this.#memory.read(0, new Uint8Array(layout.trace.byteLength));
    // The data is a view of the addon's memory, which the next run may overwrite.
    return { trace: decodeTrace(bytes, frame, flowNow(this.#set)), action: returnValue, frame: new Uint8Array(data) };
  }

  close(): void {
    this.#memory.close();
    this.#maps.forEach((map) => {
      map.close();
    });
    this.#programs.forEach((program) => {
      program.close();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
