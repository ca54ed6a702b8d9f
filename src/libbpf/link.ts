/** XDP attachments: links of our own, and what is attached to an interface by whatever means. */

import { addon, type NativeLink } from '../native/index.js';
import type { BpfProgram } from './program.js';

/** Where a program runs: in the driver, or later, in the kernel's generic code, for drivers that cannot. */
export type XdpMode = 'native' | 'generic';

/** XDP_FLAGS_DRV_MODE and XDP_FLAGS_SKB_MODE (linux/if_link.h). */
const MODE_FLAGS: Record<XdpMode, number> = { native: 1 << 2, generic: 1 << 1 };

/** BPF_LINK_TYPE_XDP (linux/bpf.h). */
const LINK_TYPE_XDP = 6;

export interface LinkInfo {
  readonly id: number;
  readonly programId: number;
  /** The interface; 0 when it is gone, which also ends the attachment. */
  readonly ifindex: number;
}

/**
 * A program's attachment to an interface (kernel 5.9). It lasts as long as somebody holds it: this handle, or a pin.
 * Methods throw KernelError: `CLOSED` after `close`, else errno's name.
 */
export class XdpLink implements Disposable {
  readonly #native: NativeLink;

  private constructor(native: NativeLink) {
    this.#native = native;
  }

  /**
   * Attaches a program to an interface.
   *
   * @throws KernelError `EBUSY` when another program is there, `EEXIST` when one is there in the other mode, `EOPNOTSUPP`
   *   and others when the driver refuses native mode
   */
  static attach(program: BpfProgram, ifindex: number, mode: XdpMode): XdpLink {
    return new XdpLink(addon.BpfLink.attachXdp(program.native, ifindex, MODE_FLAGS[mode]));
  }

  /** @throws KernelError `ENOENT` when nothing is pinned there, `EINVAL` when it is not a link of an XDP program */
  static openPinned(path: string): XdpLink {
    return new XdpLink(addon.BpfLink.openPinned(path));
  }

  /**
   * The link that holds a program on an interface, whoever made it. Needs CAP_SYS_ADMIN.
   *
   * Links are listed for the whole machine, and other network namespaces have interfaces of the same index: undefined
   * also when several links could be meant.
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

  get info(): LinkInfo {
    const { id, programId, ifindex } = this.#native.info();
    return { id, programId, ifindex };
  }

  /** Replaces the program between two packets: each sees the old one or the new one, none is lost. */
  update(program: BpfProgram): void {
    this.#native.update(program.native);
  }

  /** Ends the attachment, even while others hold the link (kernel 5.9). */
  detach(): void {
    this.#native.detach();
  }

  /** Keeps the attachment when this process ends. */
  pin(path: string): void {
    this.#native.pin(path);
  }

  /** Lets go of the link; the attachment ends with its last holder. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The ids of the programs on an interface, by mode; 0 for none. */
export interface AttachedPrograms {
  readonly native: number;
  readonly generic: number;
  readonly offload: number;
}

/** @throws KernelError `ENODEV` or `ENXIO` when there is no such interface */
export function queryXdp(ifindex: number): AttachedPrograms {
  return addon.xdpQuery(ifindex);
}

/** Removes a program that was attached without a link. @throws KernelError `EBUSY` when a link holds the interface */
export function detachXdp(ifindex: number, mode: XdpMode): void {
  addon.xdpDetach(ifindex, MODE_FLAGS[mode]);
}
