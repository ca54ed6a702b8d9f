/** What a BPF control plane needs of Linux beside BPF and Node does not offer. */

import { freemem } from 'node:os';

import { addon, type NativeClosable } from './addon.js';
import './error.js';

/** An exclusive lock on a file. It ends with `close`, with the process, and with the garbage collection of the handle. */
export class FileLock implements Disposable {
  readonly #native: NativeClosable;

  /**
   * Takes the lock; makes the file (mode 0600) when it does not exist.
   *
   * @throws KernelError `EWOULDBLOCK` (or its synonym `EAGAIN`) when another process holds it
   */
  constructor(path: string) {
    this.#native = new addon.FileLock(path);
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Mounts a BPF file system, readable by root alone, on an existing directory.
 *
 * @throws KernelError `EPERM` without CAP_SYS_ADMIN
 */
export function mountBpffs(path: string): void {
  addon.mountBpffs(path);
}

/** Sends one datagram to a unix socket; a leading `@` in the path means the abstract namespace, as for sd_notify(3). */
export function sendDatagram(path: string, text: string): void {
  addon.sendDatagram(path, text);
}

/**
 * Resolves when every BPF program that was running at the call has returned: true.
 * Resolves to false at once where the kernel does not offer the wait (full dynticks, membarrier(2)).
 */
export function synchronizeRcu(): Promise<boolean> {
  return addon.synchronizeRcu();
}

/** How many CPUs the kernel could ever bring up: the number of values a per-CPU map has for a key. */
export function possibleCpus(): number {
  return addon.possibleCpus();
}

/** Bytes that could be allocated without swapping, within the limits of this process's control group. */
export function availableMemory(): number {
  return Math.min(freemem(), process.availableMemory());
}

/**
 * Whether an interface takes VLAN tags out of frames before XDP programs see them (ethtool: rx-vlan-offload).
 *
 * @throws KernelError `ENODEV`
 */
export function stripsVlanTags(name: string): boolean {
  return addon.stripsVlanTags(name);
}

/** The libbpf in use: "v1.1". */
export function libbpfVersion(): string {
  return addon.libbpfVersion();
}
