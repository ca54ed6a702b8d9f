/** Attachments by links, to interfaces and control groups; XDP programs by links, and by whatever other means a program is attached to an interface. */

import { addon, type NativeLink } from '../native/index.js';
import type { BpfProgram } from './program.js';

/** XDP's modes: `native` runs in the driver; `generic` runs later, in kernel code for drivers without XDP. */
export type XdpMode = 'native' | 'generic';

/** XDP_FLAGS_DRV_MODE and XDP_FLAGS_SKB_MODE (linux/if_link.h). */
const MODE_FLAGS: Record<XdpMode, number> = { native: 1 << 2, generic: 1 << 1 };

/** BPF_LINK_TYPE_XDP (linux/bpf.h). */
const LINK_TYPE_XDP = 6;

/** What programs of a control group are for, and its enum bpf_attach_type (linux/bpf.h). */
const CGROUP_EVENTS = {
  connect4: 10,
  connect6: 11,
  sendmsg4: 14,
  sendmsg6: 15,
  recvmsg4: 19,
  recvmsg6: 20,
  getpeername4: 29,
  getpeername6: 30,
  getsockname4: 31,
  getsockname6: 32,
} as const;

export type CgroupEvent = keyof typeof CGROUP_EVENTS;

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  /** The interface; 0 for a control group, and after the interface is removed, which also ends the attachment. */
  readonly ifindex: number;
}

/**
 * A program's attachment. It lasts as long as a handle, in any process, or a pin holds it.
 *
 * Methods throw KernelError: `CLOSED` after `close`, else errno's name.
 */
export class BpfLink implements Disposable {
  readonly #native: NativeLink;

  protected constructor(native: NativeLink) {
    this.#native = native;
  }

  /**
   * Attaches a tc program to the packets that an interface receives or sends, after all others there.
   *
   * Minimum kernel version: 6.6. Before, see TcAttachment.
   *
   * @throws KernelError `ENODEV` when there is no such interface, `EINVAL` on older kernels
   */
  static attachTcx(program: BpfProgram, ifindex: number, direction: 'ingress' | 'egress'): BpfLink {
    return new BpfLink(addon.BpfLink.attachTcx(program.native, ifindex, direction === 'egress', true));
  }

  /**
   * Attaches a program to what the processes of a control group do.
   *
   * @param path the group's folder in a file system of cgroup2
   * @throws KernelError `ENOENT` when there is no such group, `EBADF` when it is none of cgroup2
   */
  static attachCgroup(program: BpfProgram, path: string, event: CgroupEvent): BpfLink {
    return new BpfLink(addon.BpfLink.attachCgroup(program.native, path, CGROUP_EVENTS[event]));
  }

  /** Opens a pinned link. @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is no link */
  static openPinned(path: string): BpfLink {
    return new BpfLink(addon.BpfLink.openPinned(path));
  }

  /** The link's ids and interface. */
  get info(): LinkInfo {
    const { id, programId, ifindex } = this.#native.info();
    return { id, programId, ifindex };
  }

  /** Replaces the program atomically: each packet runs through the old one or the new one, and none is lost. */
  update(program: BpfProgram): void {
    this.#native.update(program.native);
  }

  /** Detaches the program, even while others hold the link. */
  detach(): void {
    this.#native.detach();
  }

  /** Pins the link to a path in a BPF file system, so that the attachment outlives this process. */
  pin(path: string): void {
    this.#native.pin(path);
  }

  /** Closes the handle. The attachment ends with its last handle and pin. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A program's attachment to an interface by XDP. Minimum kernel version: 5.9. */
export class XdpLink extends BpfLink {
  /**
   * Attaches a program to the interface with the given index.
   *
   * @throws KernelError `EBUSY` when another program is attached, `EEXIST` when one is attached in the other mode,
   *   `EOPNOTSUPP` and others when the driver refuses native mode
   */
  static attach(program: BpfProgram, ifindex: number, mode: XdpMode): XdpLink {
    return new XdpLink(addon.BpfLink.attachXdp(program.native, ifindex, MODE_FLAGS[mode]));
  }

  /** Opens a pinned link. @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is no link */
  static override openPinned(path: string): XdpLink {
    return new XdpLink(addon.BpfLink.openPinned(path));
  }

  /**
   * Finds the link that holds a program on an interface, whatever process made it. Needs CAP_SYS_ADMIN.
   *
   * The kernel lists the links of all network namespaces, and interfaces of other namespaces have the same indices. Returns
   * undefined also if several links match.
   */
  static find(ifindex: number, programId: number): XdpLink | undefined {
    const found: XdpLink[] = [];
    for (let id = addon.BpfLink.nextId(0); id !== undefined; id = addon.BpfLink.nextId(id)) {
      const native = addon.BpfLink.openById(id);
      const info = native.info();
      if (info.type === LINK_TYPE_XDP && info.ifindex === ifindex && info.programId === programId) {
        found.push(new XdpLink(native));
      } else {
        native.close();
      }
    }
    if (found.length === 1) {
      return found[0];
    }
    found.forEach((link) => {
      link.close();
    });
    return undefined;
  }
}

/** The ids of the programs attached to an interface, by mode; 0 for none. */
export interface AttachedPrograms {
  readonly native: number;
  readonly generic: number;
  readonly offload: number;
}

/** Returns the programs attached to an interface. @throws KernelError `ENODEV` or `ENXIO` when there is no such interface */
export function queryXdp(ifindex: number): AttachedPrograms {
  return addon.xdpQuery(ifindex);
}

/** Detaches a program that was attached without a link. @throws KernelError `EBUSY` when a link holds the interface */
export function detachXdp(ifindex: number, mode: XdpMode): void {
  addon.xdpDetach(ifindex, MODE_FLAGS[mode]);
}
