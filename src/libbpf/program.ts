/** BPF programs: their properties, and test runs on given packets. */

import { addon, KernelError, type NativeProgram, type NativeProgramInfo } from '../native/index.js';

/** Return values of XDP programs (enum xdp_action in linux/bpf.h). */
export const XdpAction = { aborted: 0, drop: 1, pass: 2, tx: 3, redirect: 4 } as const;

/**
 * A flag of BPF_PROG_RUN, BPF_F_TEST_XDP_LIVE_FRAMES: packets with XDP_TX or XDP_REDIRECT are really transmitted.
 *
 * Minimum kernel version: 5.18.
 */
export const LIVE_FRAMES = 2;

/** Attempts at a run that signals interrupt. */
const MAX_ATTEMPTS = 10;

/** The interface on which a test packet appears to arrive (struct xdp_md in linux/bpf.h). */
export interface XdpOrigin {
  readonly ifindex: number;
  readonly rxQueue?: number;
}

export interface RunOptions {
  /** The packet, Ethernet header first; at least 14 bytes. */
  readonly data: Uint8Array;
  /** Default: the loopback interface of the caller's network namespace, queue 0. */
  readonly origin?: XdpOrigin;
  /** The number of runs, 1 to 2^31 - 1. Each run gets the packet as the last one left it. */
  readonly repeat?: number;
  readonly flags?: number;
  /** With LIVE_FRAMES: packets of a batch, at most 256. */
  readonly batchSize?: number;
}

export interface RunResult {
  /** An XdpAction for XDP programs. */
  readonly returnValue: number;
  /** The mean duration of a run, rounded down, including the kernel's loop. */
  readonly durationNs: number;
  /** The packet as the last run left it; empty with LIVE_FRAMES. */
  readonly data: Uint8Array;
}

export type ProgramInfo = Readonly<NativeProgramInfo>;

/**
 * A BPF program. Methods throw KernelError: `CLOSED` after `close` or before load, else errno's name. A program from an
 * object stays usable after the object is closed.
 */
export class BpfProgram implements Disposable {
  /** The addon's handle, for the other classes of this folder. */
  readonly native: NativeProgram;
  readonly name: string;

  /** Programs come from a BpfObject, `openPinned` or `openById`. */
  constructor(native: NativeProgram) {
    this.native = native;
    this.name = native.name;
  }

  /** Opens a pinned program. @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is not a program */
  static openPinned(path: string): BpfProgram {
    return new BpfProgram(addon.BpfProgram.openPinned(path));
  }

  /** Opens a program by its id. Needs CAP_SYS_ADMIN. @throws KernelError `ENOENT` when there is no such program, `EPERM` */
  static openById(id: number): BpfProgram {
    return new BpfProgram(addon.BpfProgram.openById(id));
  }

  /** Yields the ids of all programs in the kernel. Needs CAP_SYS_ADMIN. */
  static *ids(): Generator<number, void, undefined> {
    for (let id = addon.BpfProgram.nextId(0); id !== undefined; id = addon.BpfProgram.nextId(id)) {
      yield id;
    }
  }

  /** Reads the program's properties. */
  get info(): ProgramInfo {
    return this.native.info();
  }

  /** Sets whether the object loads this program. To call before it is loaded. */
  setAutoload(autoload: boolean): void {
    this.native.setAutoload(autoload);
  }

  /**
   * Runs the program on a packet (BPF_PROG_RUN). A signal to the process interrupts a run, which is then started again, a
   * few times.
   *
   * Minimum kernel version: 5.15 for XDP with an origin.
   *
   * @throws KernelError `EINVAL` for a packet that is too short or too long, `ENODEV` for an unknown interface
   */
  run(options: RunOptions): RunResult {
    const { data, origin, repeat, flags, batchSize } = options;
    const request = {
      data,
      ...(origin && { context: xdpContext(data.length, origin) }),
      ...(repeat !== undefined && { repeat }),
      ...(flags !== undefined && { flags }),
      ...(batchSize !== undefined && { batchSize }),
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return this.native.run(request);
      } catch (error) {
        if (!(error instanceof KernelError && error.code === 'EINTR') || attempt === MAX_ATTEMPTS) {
          throw error;
        }
      }
    }
  }

  /** Pins the program to a path in a BPF file system. */
  pin(path: string): void {
    this.native.pin(path);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Returns struct xdp_md for BPF_PROG_RUN: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex. */
function xdpContext(packetBytes: number, origin: XdpOrigin): Uint8Array {
  return new Uint8Array(Uint32Array.of(0, packetBytes, 0, origin.ifindex, origin.rxQueue ?? 0, 0).buffer);
}
