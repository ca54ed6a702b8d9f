/** Attaches the program to interfaces: in which XDP mode, and what happens to a program that is there already. */

import { BpfProgram, detachXdp, KernelError, queryXdp, XdpLink, type XdpMode } from '../libbpf/index.js';
import { BeelineError, type Interface, type Model } from '../model/index.js';

export interface AttachOptions {
  readonly mode: Model['mode'];
  /** Whether to detach another program instead of refusing. */
  readonly replace: boolean;
}

export interface Attached {
  readonly link: XdpLink;
  readonly mode: XdpMode;
  /** With mode `auto`: the driver's reason against native mode. */
  readonly nativeRefusal?: string;
}

/**
 * Attaches a program to an interface.
 *
 * @throws BeelineError `XDP_REFUSED` if another program is there and `replace` is off, or the kernel refuses;
 *   `XDP_NATIVE_REFUSED` if the driver refuses and the mode is `native`
 */
export function attach(program: BpfProgram, target: Interface, { mode, replace }: AttachOptions): Attached {
  clearInterface(target, replace);
  if (mode === 'generic') {
    return { link: attachIn(program, target, 'generic'), mode: 'generic' };
  }
  try {
    return { link: attachIn(program, target, 'native'), mode: 'native' };
  } catch (error) {
    if (mode === 'native' || !(error instanceof BeelineError) || error.code !== 'XDP_NATIVE_REFUSED') {
      throw error;
    }
    return { link: attachIn(program, target, 'generic'), mode: 'generic', nativeRefusal: error.message };
  }
}

/** Returns the mode in which a program is attached to an interface; undefined if it is not. */
export function attachedMode(programId: number, ifindex: number): XdpMode | undefined {
  const attached = queryXdp(ifindex);
  return (['native', 'generic'] as const).find((mode) => attached[mode] === programId);
}

function attachIn(program: BpfProgram, { name, ifindex }: Interface, mode: XdpMode): XdpLink {
  try {
    return XdpLink.attach(program, ifindex, mode);
  } catch (error) {
    if (!(error instanceof KernelError)) {
      throw error;
    }
    if (error.code === 'EBUSY' || error.code === 'EEXIST') {
      throw new BeelineError('XDP_REFUSED', `another XDP program took ${name} just now (${error.code})`, {
        hint: `"ip -details link show dev ${name}" and "bpftool net" name it.`,
        cause: error,
      });
    }
    if (mode === 'native') {
      throw new BeelineError('XDP_NATIVE_REFUSED', `the driver of ${name} refuses native XDP: ${error.message}`, {
        hint:
          'The reason is often the number of queues or an offload: try fewer queues ("ethtool -L"), LRO off ' +
          '("ethtool -K") or a smaller MTU. "mode: generic" works with every driver, at a quarter of the speed.',
        cause: error,
      });
    }
    throw new BeelineError('XDP_REFUSED', `the kernel refuses XDP on ${name}: ${error.message}`, { cause: error });
  }
}

/** A program that is on an interface before the director's. */
export interface Occupant {
  readonly id: number;
  readonly mode: 'native' | 'generic' | 'offload';
  /** "XDP program "xdp_pass", id 12 (native mode)" */
  readonly text: string;
}

/** Returns the programs that are on an interface. @throws KernelError `ENODEV` or `ENXIO` if there is no such interface */
export function occupantsOf(ifindex: number): Occupant[] {
  const attached = queryXdp(ifindex);
  return (['native', 'generic', 'offload'] as const).flatMap((mode) => {
    const id = attached[mode];
    return id === 0 ? [] : [{ id, mode, text: `${programName(id)} (${mode} mode)` }];
  });
}

/** Detaches other programs from an interface, or refuses. */
function clearInterface(target: Interface, replace: boolean): void {
  const occupants = occupantsOf(target.ifindex);
  if (occupants.length === 0) {
    return;
  }
  if (!replace) {
    throw new BeelineError(
      'XDP_REFUSED',
      `${target.name} already runs ${occupants.map(({ text }) => text).join(' and ')}`,
      // A daemon that runs has no --replace to offer: "beeline run" looks before it comes here.
      { hint: 'Detach that program by the means of whoever attached it; the director takes the interface then.' },
    );
  }
  for (const { mode, id } of occupants) {
    if (mode !== 'offload') {
      clear(target, mode, id);
    }
  }
}

/** @throws BeelineError `XDP_REFUSED` if the program's link cannot be identified */
function clear({ name, ifindex }: Interface, mode: XdpMode, programId: number): void {
  using link = XdpLink.find(ifindex, programId);
  if (link !== undefined) {
    link.detach();
    return;
  }
  try {
    detachXdp(ifindex, mode);
  } catch (error) {
    if (!(error instanceof KernelError)) {
      throw error;
    }
    throw new BeelineError('XDP_REFUSED', `cannot take ${name} from ${programName(programId)}: ${error.message}`, {
      hint: 'Links in other network namespaces use the same program: detach the right one with "bpftool link detach".',
      cause: error,
    });
  }
}

/** Returns `XDP program "xdp_pass", id 12`. Reading the name needs CAP_SYS_ADMIN. */
function programName(id: number): string {
  try {
    using program = BpfProgram.openById(id);
    return `XDP program "${program.name}", id ${id}`;
  } catch {
    return `XDP program id ${id} (see "bpftool prog show id ${id}")`;
  }
}
