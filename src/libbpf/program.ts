/** BPF programs: what they are, and running them on packets of one's own. */

import { addon, KernelError, type NativeProgram, type NativeProgramInfo } from '../native/index.js';

/** What an XDP program returns (enum xdp_action in linux/bpf.h). */
export const XdpAction = { aborted: 0, drop: 1, pass: 2, tx: 3, redirect: 4 } as const;

/** BPF_PROG_RUN's flag that really transmits what the program returns XDP_TX or XDP_REDIRECT for (kernel 5.18). */
export const LIVE_FRAMES = 2;

/** How often a run that signals interrupt is started. */
const MAX_ATTEMPTS = 10;

/** Where a test packet claims to have arrived (struct xdp_md in linux/bpf.h). */
export interface XdpOrigin {
  readonly ifindex: number;
  readonly rxQueue?: number;
}

export interface RunOptions {
  /** The packet, Ethernet header first; at least 14 bytes. */
  readonly data: Uint8Array;
  /** Default: the loopback interface of the caller's network namespace, queue 0. */
  readonly origin?: XdpOrigin;
  /** How often to run, 1 to 2^31 - 1; each run gets the packet as the last one left it. */
  readonly repeat?: number;
  readonly flags?: number;
  /** With LIVE_FRAMES: packets a batch, at most 256. */
  readonly batchSize?: number;
}

export interface RunResult {
  /** An XdpAction for XDP programs. */
  readonly returnValue: number;
  /** Mean of one run, rounded down, the kernel's loop included. */
  readonly durationNs: number;
  /** The packet as the last run left it; empty with LIVE_FRAMES. */
  readonly data: Uint8Array;
}

export type ProgramInfo = Readonly<NativeProgramInfo>;

/**
 * One BPF program. Methods throw KernelError: `CLOSED` after `close` or before load, else errno's name. A program that
 * came from an object stays usable after the object is closed.
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

  /** @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is not a program */
  static openPinned(path: string): BpfProgram {
    return new BpfProgram(addon.BpfProgram.openPinned(path));
  }

  /** Needs CAP_SYS_ADMIN. @throws KernelError `ENOENT` when there is no such program (any more), `EPERM` */
  static openById(id: number): BpfProgram {
    return new BpfProgram(addon.BpfProgram.openById(id));
  }

  /** The ids of all programs there are. Needs CAP_SYS_ADMIN. */
  static *ids(): Generator<number, void, undefined> {
    for (let id = addon.BpfProgram.nextId(0); id !== undefined; id = addon.BpfProgram.nextId(id)) {
      yield id;
    }
  }

  get info(): ProgramInfo {
    return this.native.info();
  }

  /** Before load: whether the object loads this program. */
  setAutoload(autoload: boolean): void {
    this.native.setAutoload(autoload);
  }

  /**
   * Runs the program on a packet (BPF_PROG_RUN; XDP with an origin: kernel 5.15). A signal to the process interrupts the
   * kernel; the run then starts over, a few times.
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

  /** Keeps the program alive under a path in a BPF file system. */
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

/** struct xdp_md as BPF_PROG_RUN takes it: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex. */
function xdpContext(packetBytes: number, origin: XdpOrigin): Uint8Array {
  return new Uint8Array(Uint32Array.of(0, packetBytes, 0, origin.ifindex, origin.rxQueue ?? 0, 0).buffer);
}
