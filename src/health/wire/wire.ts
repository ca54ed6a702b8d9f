/** The programs that bring checks to a VIP, their table, and the interfaces that they are on. */

import { fileURLToPath } from 'node:url';

import { checkRange } from '../../layout/index.js';
import { BpfObject, type BpfProgram, KernelError, TcAttachment, type TcWay } from '../../libbpf/index.js';
import { CheckLoop, type CheckLoopOptions } from './check-loop.js';
import { DEFAULT_FIRST_PORT, DEFAULT_PORTS, type PortRange, portsInUse } from './local-ports.js';

/** The object that scripts/build makes of bpf/check.bpf.c. */
export const CHECK_OBJECT = fileURLToPath(new URL('../../../bpf/check.bpf.o', import.meta.url));

export interface WireOptions extends Omit<CheckLoopOptions, 'table'> {
  /** How the programs are attached. Default: `tcx` where the kernel has it, else `clsact`. */
  readonly way?: TcWay;
}

/** An interface on which a program could not be attached. */
export interface FollowFailure {
  readonly ifindex: number;
  readonly error: KernelError;
}

/**
 * The way of checks to a VIP: two tc programs on each interface that leads to real servers, which exchange RIP and VIP in the
 * packets of checks (bpf/check.bpf.c), and the loop that makes the checks.
 *
 * All of it ends with the process. Two directors of one host need ranges of ports that have none in common.
 *
 * Minimum kernel version: 6.1. Needs CAP_BPF and CAP_NET_ADMIN.
 */
export class Wire implements Disposable {
  readonly checks: CheckLoop;
  /** Ports of checks that the kernel may give to other programs, in which case such a port is passed over; undefined for none. */
  readonly portsInUse: PortRange | undefined;
  readonly #programs: readonly [BpfProgram, BpfProgram];
  readonly #attached = new Map<number, readonly TcAttachment[]>();
  readonly #way: TcWay | undefined;
  readonly #firstPort: number;

  private constructor(object: BpfObject, options: WireOptions, firstPort: number, ports: number) {
    this.#programs = [object.program('check_egress'), object.program('check_ingress')];
    this.#way = options.way;
    this.#firstPort = firstPort;
    this.portsInUse = portsInUse({ first: firstPort, last: firstPort + ports - 1 });
    // The loop keeps the memory.
    using table = object.map('checks').mmap('write');
    this.checks = new CheckLoop({ ...options, table, firstPort, ports });
  }

  /**
   * Loads the programs. They are on no interface before `follow`.
   *
   * @throws KernelError when the kernel refuses them; RangeError for ports out of bounds
   */
  static async open(options: WireOptions): Promise<Wire> {
    const { firstPort = DEFAULT_FIRST_PORT, ports = DEFAULT_PORTS } = options;
    using object = new BpfObject(CHECK_OBJECT);
    object.map('checks').setMaxEntries(ports);
    const range = new DataView(new ArrayBuffer(checkRange.byteLength));
    range.setUint32(checkRange.first.offset, firstPort, true);
    range.setUint32(checkRange.count.offset, ports, true);
    object.section('.rodata').setInitialValue(new Uint8Array(range.buffer));
    await object.loadAsync();
    try {
      return new Wire(object, options, firstPort, ports);
    } finally {
      // The programs and the mapping hold them.
      for (const map of object.maps.values()) {
        map.close();
      }
    }
  }

  /** The indices of the interfaces that the programs are on. */
  get interfaces(): readonly number[] {
    return [...this.#attached.keys()];
  }

  /**
   * Attaches the programs to these interfaces and detaches them from all others. To call when interfaces come or go, too.
   *
   * @returns the interfaces on which they are not, and why
   */
  follow(ifindexes: readonly number[]): FollowFailure[] {
    for (const [ifindex, attachments] of this.#attached) {
      // An interface that was removed has taken its attachments along.
      if (!ifindexes.includes(ifindex) || attachments.some((attachment) => attachment.ifindex === 0)) {
        this.#leave(ifindex);
      }
    }
    return ifindexes.filter((ifindex) => !this.#attached.has(ifindex)).flatMap((ifindex) => this.#join(ifindex) ?? []);
  }

  #join(ifindex: number): FollowFailure | undefined {
    const attachments: TcAttachment[] = [];
    const [egress, ingress] = this.#programs;
    const options = { ...(this.#way && { way: this.#way }), handle: this.#firstPort };
    try {
      attachments.push(TcAttachment.attach(ingress, ifindex, 'ingress', options));
      attachments.push(TcAttachment.attach(egress, ifindex, 'egress', options));
      this.#attached.set(ifindex, attachments);
      return undefined;
    } catch (error) {
      closeAll(
        attachments.map((attachment) => () => {
          attachment.close();
        }),
      );
      if (error instanceof KernelError) {
        return { ifindex, error };
      }
      throw error;
    }
  }

  #leave(ifindex: number): void {
    const attachments = this.#attached.get(ifindex) ?? [];
    this.#attached.delete(ifindex);
    closeAll(
      attachments.map((attachment) => () => {
        attachment.close();
      }),
    );
  }

  /** Ends all checks without results, and detaches the programs. */
  close(): void {
    closeAll([
      () => {
        this.checks.close();
      },
      ...this.interfaces.map((ifindex) => () => {
        this.#leave(ifindex);
      }),
      ...this.#programs.map((program) => () => {
        program.close();
      }),
    ]);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Closes the rest although one fails. @throws what the first threw */
function closeAll(closings: readonly (() => void)[]): void {
  const errors = closings.flatMap((close): { error: unknown }[] => {
    try {
      close();
      return [];
    } catch (error) {
      return [{ error }];
    }
  });
  if (errors[0] !== undefined) {
    throw errors[0].error;
  }
}
