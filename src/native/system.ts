/** System calls that a BPF control plane needs and Node.js does not have. */

import { readFileSync, readlinkSync } from 'node:fs';
import { freemem } from 'node:os';

import {
  addon,
  type NativeFrameListener,
  type NativeClosable,
  type NativeLock,
  type NativePacketSocket,
} from './addon.js';
import './error.js';

/** An exclusive lock on a file or a folder. `close`, the end of the process and garbage collection of the handle release it. */
export class FileLock implements Disposable {
  readonly #native: NativeLock;

  /**
   * Takes the lock. Creates the file, with mode 0600, if it does not exist.
   *
   * @param kind a folder must exist
   * @throws KernelError `EWOULDBLOCK` (or its synonym `EAGAIN`) when another process holds it
   */
  constructor(path: string, kind: 'file' | 'folder' = 'file') {
    this.#native = new addon.FileLock(path, kind === 'folder');
  }

  /** Returns whether a path leads to what is locked. After a removal it does not, and the lock keeps nobody out. */
  isAt(path: string): boolean {
    return this.#native.isAt(path);
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A socket that sends frames as they are, through any interface of the process's network namespace. It receives none. */
export class PacketSocket implements Disposable {
  readonly #native: NativePacketSocket;

  /** @throws KernelError `EPERM` without CAP_NET_RAW */
  constructor() {
    this.#native = new addon.PacketSocket();
  }

  /**
   * Sends a frame, from its Ethernet header on, without waiting.
   *
   * @throws KernelError `ENXIO` or `ENETDOWN` when there is no such interface or it is down, `EMSGSIZE` when the frame is too
   *   long for it, `EAGAIN` or `ENOBUFS` when a queue is full
   */
  send(ifindex: number, frame: Uint8Array): void {
    this.#native.send(ifindex, frame);
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A TCP port that no other program has while it is open, and for which the kernel answers nothing: no reset to what a packet
 * socket asked for from it.
 */
export class QuietPort implements Disposable {
  readonly #native: NativeClosable;

  /** @throws KernelError `EADDRINUSE` when a program has the port */
  constructor(port: number) {
    this.#native = new addon.QuietPort(port);
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Receives the frames of one interface that a filter lets through, as they come to the kernel's network stack: what an XDP
 * program sends back is not among them. Longer ones than 2,048 bytes are cut off. It keeps the process alive until `close`.
 */
export class FrameListener implements Disposable {
  readonly #native: NativeFrameListener;

  /**
   * @param filter a program of classic BPF, instructions of 8 bytes (struct sock_filter in linux/filter.h)
   * @param onFrames called with some frames, or with an error: the interface went down
   * @throws KernelError `EPERM` without CAP_NET_RAW, `ENODEV` when there is no such interface, `EINVAL` for a wrong filter
   */
  constructor(
    ifindex: number,
    filter: Uint8Array,
    onFrames: (error: Error | undefined, frames?: readonly Uint8Array[]) => void,
  ) {
    this.#native = new addon.FrameListener(ifindex, filter, onFrames);
  }

  /** Returns how many frames were lost since the last call because they came faster than they were read. */
  takeDropped(): number {
    return this.#native.takeDropped();
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Mounts a BPF file system, readable by root alone, on an existing directory. Its source, as mounts are listed, is "beeline".
 *
 * @throws KernelError `EPERM` without CAP_SYS_ADMIN
 */
export function mountBpffs(path: string): void {
  addon.mountBpffs(path);
}

/** Sends a datagram to a unix socket. A leading `@` in the path means the abstract namespace, as for sd_notify(3). */
export function sendDatagram(path: string, text: string): void {
  addon.sendDatagram(path, text);
}

/**
 * Resolves to true when every BPF program that was running at the call has returned. Resolves to false at once if the kernel
 * does not support the wait (full dynticks, membarrier(2)).
 */
export function synchronizeRcu(): Promise<boolean> {
  return addon.synchronizeRcu();
}

/** Returns the number of possible CPUs, which is the number of values that a per-CPU map has for a key. */
export function possibleCpus(): number {
  return addon.possibleCpus();
}

/**
 * Returns one more than the highest number that a CPU can have. The numbers may have holes, as on a machine with free sockets:
 * then there are fewer CPUs (nr_cpu_ids and num_possible_cpus() of the kernel).
 */
export function cpuNumbers(): number {
  return highestOf(readFileSync('/sys/devices/system/cpu/possible', 'utf8')) + 1;
}

/** Returns the highest number of a list of CPUs: "0-3,8-11" (Documentation/admin-guide/cputopology.rst). */
export function highestOf(list: string): number {
  const numbers = list.match(/\d+/g)?.map(Number) ?? [];
  if (numbers.length === 0) {
    throw new Error(`the kernel's list of CPUs is empty: ${JSON.stringify(list)}`);
  }
  return Math.max(...numbers);
}

/**
 * Returns the milliseconds since the machine started, suspended or not (CLOCK_BOOTTIME): a clock that nobody sets, and that
 * all processes share until the next boot.
 */
export function bootTimeMs(): number {
  return addon.bootTimeMs();
}

/** Returns the number of this process's network namespace, which no other has until the next boot. Minimum kernel version: 5.14. */
export function networkCookie(): bigint {
  return addon.networkCookie();
}

let boot: string | undefined;

/**
 * Returns a name of the time in which `bootTimeMs` counts: this life of the machine (random(4)), and this namespace of time, in
 * which the clock has an origin of its own (time_namespaces(7)).
 */
export function bootName(): string {
  boot ??= `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/time')}`;
  return boot;
}

/** Returns the bytes that can be allocated without swapping, within the limits of this process's control group. */
export function availableMemory(): number {
  return Math.min(freemem(), process.availableMemory());
}

/**
 * Calls one of ethtool's commands that take and return one number (linux/ethtool.h, struct ethtool_value).
 *
 * @param namespace path of the network namespace that the interface is in, if it is another one: needs CAP_SYS_ADMIN
 * @throws KernelError `ENODEV` when there is no such interface; `EOPNOTSUPP` when its driver does not know the command
 */
export function ethtoolValue(name: string, command: number, value?: number, namespace?: string): number {
  return addon.ethtoolValue(name, command, value, namespace);
}

/** Returns the version of libbpf in use: "v1.1". */
export function libbpfVersion(): string {
  return addon.libbpfVersion();
}
