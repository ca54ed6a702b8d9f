/** The pinned links that keep the program attached to the director's interfaces. */

import { existsSync, rmSync } from 'node:fs';
import { basename } from 'node:path';

import type { BpfProgram, XdpLink, XdpMode } from '../libbpf/index.js';
import type { Interface } from '../model/index.js';
import { attach, attachedMode, type AttachOptions } from './attach.js';
import { linkPath, listLinks, openLink } from './pins.js';

export interface Attachment {
  readonly mode: XdpMode;
  /** Whether an earlier process attached it. */
  readonly adopted: boolean;
  /** With mode `auto`: the driver's reason against native mode. */
  readonly nativeRefusal?: string;
}

export class Links {
  readonly #pinDirectory: string;
  readonly #links = new Map<number, { readonly link: XdpLink; readonly mode: XdpMode | undefined }>();

  /**
   * Opens the links that an earlier process pinned.
   *
   * @throws BeelineError `PINS_UNUSABLE`, `PINS_FOREIGN`
   */
  constructor(pinDirectory: string) {
    this.#pinDirectory = pinDirectory;
    for (const ifindex of listLinks(pinDirectory)) {
      this.#open(ifindex);
    }
  }

  #open(ifindex: number): void {
    const link = openLink(this.#pinDirectory, ifindex);
    const { ifindex: actual, programId } = link.info;
    if (actual === ifindex) {
      this.#links.set(ifindex, { link, mode: attachedMode(programId, ifindex) });
    } else {
      // The interface is gone, and the attachment with it.
      link.close();
      rmSync(linkPath(this.#pinDirectory, ifindex), { force: true });
    }
  }

  /** Pins links again whose pins were removed. Returns the names of those pins. */
  mendPins(): string[] {
    return [...this.#links].flatMap(([ifindex, { link }]) => {
      const path = linkPath(this.#pinDirectory, ifindex);
      if (existsSync(path)) {
        return [];
      }
      link.pin(path);
      return [basename(path)];
    });
  }

  /** The indices of the interfaces, including those that have vanished since. */
  get interfaces(): readonly number[] {
    return [...this.#links.keys()];
  }

  /** The ids of the programs that the links hold. */
  programIds(): ReadonlySet<number> {
    return new Set([...this.#links.values()].map(({ link }) => link.info.programId));
  }

  /** Returns whether the link to an interface is attached: others can detach it. */
  isAttached(ifindex: number): boolean {
    return this.#links.get(ifindex)?.link.info.ifindex === ifindex;
  }

  /**
   * Returns whether to attach to these interfaces and no others, in this mode, takes the program off an interface for a moment
   * or longer. That of the host's own connections is always in generic mode.
   */
  interrupts(wanted: readonly Pick<Interface, 'ifindex' | 'fromHost'>[], mode: AttachOptions['mode']): boolean {
    return [...this.#links].some(([ifindex, { link, mode: now }]) => {
      const target = wanted.find((each) => each.ifindex === ifindex);
      const wantedMode = target?.fromHost === true ? 'generic' : mode;
      const isOtherMode = now !== undefined && wantedMode !== 'auto' && wantedMode !== now;
      return link.info.ifindex === ifindex && (target === undefined || isOtherMode);
    });
  }

  /** Moves all links to a program. */
  update(program: BpfProgram): void {
    for (const { link } of this.#links.values()) {
      link.update(program);
    }
  }

  /** Drops links whose interface is gone: they take no other program. */
  dropDead(): void {
    for (const [ifindex, { link }] of this.#links) {
      if (link.info.ifindex === 0) {
        this.detach(ifindex);
      }
    }
  }

  /**
   * Attaches a program to an interface, if it is not yet.
   *
   * @param programNow returns the program; called only if it must be attached
   * @param onFallback called if the new mode was refused and the old one was restored
   * @throws BeelineError `XDP_REFUSED`, `XDP_NATIVE_REFUSED`
   */
  attach(
    programNow: () => BpfProgram,
    target: Interface,
    options: AttachOptions,
    onFallback: (mode: XdpMode) => void,
  ): Attachment {
    const existing = this.#links.get(target.ifindex);
    if (existing === undefined) {
      return this.#attach(programNow(), target, options);
    }
    const { mode, link } = existing;
    const isAttached = link.info.ifindex === target.ifindex;
    if (isAttached && mode !== undefined && (options.mode === 'auto' || options.mode === mode)) {
      return { mode, adopted: true };
    }
    this.detach(target.ifindex);
    try {
      return this.#attach(programNow(), target, options);
    } catch (error) {
      // The kernel cannot change the mode in one step. The old mode is better than no program.
      if (isAttached && mode !== undefined) {
        this.#attach(programNow(), target, { mode, replace: false });
        onFallback(mode);
      }
      throw error;
    }
  }
  #attach(program: BpfProgram, target: Interface, options: AttachOptions): Attachment {
    const { link, mode, nativeRefusal } = attach(program, target, options);
    link.pin(linkPath(this.#pinDirectory, target.ifindex));
    this.#links.set(target.ifindex, { link, mode });
    return { mode, adopted: false, ...(nativeRefusal !== undefined && { nativeRefusal }) };
  }

  /** Detaches the program from an interface, also if that is gone. */
  detach(ifindex: number): void {
    const found = this.#links.get(ifindex);
    if (found === undefined) {
      return;
    }
    if (found.link.info.ifindex !== 0) {
      found.link.detach();
    }
    // It may have been removed by hand.
    rmSync(linkPath(this.#pinDirectory, ifindex), { force: true });
    found.link.close();
    this.#links.delete(ifindex);
  }

  /** Closes the handles. The pins keep the programs attached. */
  close(): void {
    for (const { link } of this.#links.values()) {
      link.close();
    }
    this.#links.clear();
  }
}
