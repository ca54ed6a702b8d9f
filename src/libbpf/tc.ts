/** tc attachments: programs for the packets that an interface receives and sends, by tcx or by clsact. */

import { addon, KernelError, type NativeLink } from '../native/index.js';
import { BpfProgram } from './program.js';

/** Which packets of an interface a tc program gets. */
export type TcDirection = 'ingress' | 'egress';

/** How a tc program is attached: `tcx` by a link (kernel 6.6), `clsact` by a filter (any kernel). */
export type TcWay = 'tcx' | 'clsact';

export interface TcOptions {
  /** Default: `tcx` where the kernel has it, else `clsact`. */
  readonly way?: TcWay;
  /** Of clsact: tells the filters of one user from another's, 1 to 2^31 - 1. Default 1. */
  readonly handle?: number;
  /** Of clsact: after others' filters. Default: before them. */
  readonly late?: boolean;
}

/** Priorities of clsact at which a place is sought. Linux gives filters without a priority 49152 and lower. */
const PRIORITIES = [100, 101, 102, 103] as const;
/** The same for programs that come after others. */
const LATE_PRIORITIES = [49_200, 49_201, 49_202, 49_203] as const;

/** The kernel keeps so many characters of a program's name (BPF_OBJ_NAME_LEN, less the zero). */
const NAME_LENGTH = 15;

/**
 * The attachment of a tc program (SEC("tc")) to an interface, beside the programs that others attach there. It ends by `close`.
 *
 * By tcx, the program comes before all others, and the attachment ends with the process too. By clsact a filter outlives the
 * process: the next `attach` of a program of this name, with the same handle, replaces it. The clsact qdisc stays, because others
 * may use it.
 *
 * Methods throw KernelError with errno's name.
 */
export class TcAttachment implements Disposable {
  readonly way: TcWay;
  readonly #end: () => void;
  readonly #link: NativeLink | undefined;

  private constructor(way: TcWay, end: () => void, link?: NativeLink) {
    this.way = way;
    this.#end = end;
    this.#link = link;
  }

  /**
   * Attaches a program to the interface with the given index.
   *
   * @throws KernelError `ENODEV` when there is no such interface, `EINVAL` when it is no tc program, `EEXIST` when others' filters
   *   hold every place
   */
  static attach(program: BpfProgram, ifindex: number, direction: TcDirection, options: TcOptions = {}): TcAttachment {
    const { way, handle = 1, late = false } = options;
    const isEgress = direction === 'egress';
    if (way !== 'clsact') {
      try {
        const link = addon.BpfLink.attachTcx(program.native, ifindex, isEgress, false);
        return new TcAttachment(
          'tcx',
          () => {
            link.close();
          },
          link,
        );
      } catch (error) {
        // Kernels before 6.6 do not know the attachment.
        if (way === 'tcx' || !(error instanceof KernelError && error.code === 'EINVAL')) {
          throw error;
        }
      }
    }
    return TcAttachment.#attachFilter(program, ifindex, isEgress, handle, late ? LATE_PRIORITIES : PRIORITIES);
  }

  static #attachFilter(
    program: BpfProgram,
    ifindex: number,
    isEgress: boolean,
    handle: number,
    priorities: readonly number[],
  ): TcAttachment {
    const { id } = program.info;
    let refusal: KernelError | undefined;
    let refusals = 0;
    for (const priority of priorities) {
      const there = addon.tcQuery(ifindex, isEgress, priority, handle);
      if (there === 0 || isNamed(there, program.name)) {
        try {
          addon.tcAttach(program.native, ifindex, isEgress, priority, handle, there !== 0);
        } catch (error) {
          // A filter of another kind or protocol, which no query finds, has this priority; or it is no tc program.
          if (!(error instanceof KernelError && ['EINVAL', 'EEXIST'].includes(error.code))) {
            throw error;
          }
          refusal = error;
          refusals += 1;
          continue;
        }
        return new TcAttachment('clsact', () => {
          removeFilter(ifindex, isEgress, priority, handle, id);
        });
      }
    }
    if (refusals === priorities.length) {
      throw refusal!;
    }
    throw new KernelError({
      code: 'EEXIST',
      errno: 17,
      message: `others' filters stand at the priorities ${priorities.join(', ')}`,
      call: 'bpf_tc_attach',
      object: `${program.name} on interface index ${ifindex}`,
      log: '',
    });
  }

  /** Removes a late filter of a program that a process left, if it is there. */
  static removeLate(programName: string, ifindex: number, direction: TcDirection, handle: number): void {
    for (const priority of LATE_PRIORITIES) {
      const there = addon.tcQuery(ifindex, direction === 'egress', priority, handle);
      if (there !== 0 && isNamed(there, programName)) {
        removeFilter(ifindex, direction === 'egress', priority, handle, there);
      }
    }
  }

  /** The interface of a tcx attachment, 0 after it is removed; undefined by clsact. */
  get ifindex(): number | undefined {
    return this.#link?.info().ifindex;
  }

  /** Detaches the program, unless somebody did so already. */
  close(): void {
    this.#end();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function isNamed(programId: number, name: string): boolean {
  try {
    using program = BpfProgram.openById(programId);
    return program.name === name.slice(0, NAME_LENGTH);
  } catch (error) {
    // The filter went meanwhile.
    if (error instanceof KernelError && error.code === 'ENOENT') {
      return false;
    }
    throw error;
  }
}

/** Removes a filter if it is still that of a program. */
function removeFilter(ifindex: number, isEgress: boolean, priority: number, handle: number, programId: number): void {
  try {
    if (addon.tcQuery(ifindex, isEgress, priority, handle) === programId) {
      addon.tcDetach(ifindex, isEgress, priority, handle);
    }
  } catch (error) {
    // The interface is gone, and its filters with it.
    if (!(error instanceof KernelError && ['ENODEV', 'ENOENT'].includes(error.code))) {
      throw error;
    }
  }
}

/**
 * Returns the ids of the programs that are attached by tcx, in the order in which packets meet them.
 *
 * Minimum kernel version: 6.6.
 *
 * @throws KernelError `ENODEV` when there is no such interface, `EINVAL` on older kernels
 */
export function queryTcx(ifindex: number, direction: TcDirection): readonly number[] {
  return addon.tcxQuery(ifindex, direction === 'egress');
}
