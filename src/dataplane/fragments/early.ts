/**
 * Fragments that came before their first one (docs/adr/0024): kept for a second, and sent through the program as soon as
 * that has come.
 */

import type { Image } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { type BpfProgram, KernelError, RingBuffer, XdpAction } from '../../libbpf/index.js';
import { macBytes } from '../../model/index.js';
import { PacketSocket } from '../../native/index.js';
import { flowNow } from '../flows/flows.js';
import type { MapSet } from '../maps/map-set.js';
import { KEPT_MS, type KeptFragment, KeptFragments, lookAfter, pauseAfter } from './kept.js';
import { type LaterFragment, laterFragment } from './later.js';
import { bucketOf, findFirst, storedFragments } from './table.js';

export interface EarlyOptions {
  /** Returns the image that packets follow, which tells where redirected frames leave. */
  readonly image: () => Image | undefined;
  readonly onEvent: (message: string, details: Record<string, unknown>) => void;
}

/**
 * For how long what came while no daemon listened is of use: the time of a restart. The receiver waits longer for the
 * rest of its packet (Linux: 30 seconds).
 */
const MISSED_MS = 5000;

interface Waiting extends LaterFragment {
  readonly bucket: number;
}

export class EarlyFragments implements Disposable {
  readonly #options: EarlyOptions;
  readonly #kept = new KeptFragments<Waiting>();
  #set: MapSet | undefined;
  #ring: RingBuffer | undefined;
  #socket: PacketSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;
  #complained = false;
  /** When this began to listen first, by process.hrtime. */
  #since: bigint | undefined;

  constructor(options: EarlyOptions) {
    this.#options = options;
  }

  /** How many fragments wait for their first one. */
  get waiting(): number {
    return this.#kept.waiting.length;
  }

  /** Takes the fragments of a set of maps from now on, in place of another's. */
  follow(set: MapSet): void {
    this.#leave();
    try {
      this.#socket ??= new PacketSocket();
    } catch (error) {
      this.#complain('fragments that come before their first one are lost: no packet socket', error);
      return;
    }
    this.#set = set;
    this.#since ??= process.hrtime.bigint();
    this.#listen();
    this.#look();
  }

  #listen(): void {
    this.#ring = new RingBuffer(this.#set!.early, (records) => {
      this.#receive(records);
    });
    this.#ring.unref();
  }

  #receive(records: readonly Uint8Array[]): void {
    const began = performance.now();
    for (const record of records) {
      this.#keep(record);
    }
    this.#look();
    const pause = pauseAfter(records.length, performance.now() - began);
    if (pause > 0 && this.#set !== undefined) {
      this.#ring?.close();
      this.#pause = setTimeout(() => {
        this.#listen();
      }, pause).unref();
    }
  }

  /** Keeps a record's frame: struct early_fragment. */
  #keep(record: Uint8Array): void {
    const { timeNs, ifindex, frame } = layout.earlyFragment;
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    const now = performance.now();
    const time = view.getBigUint64(timeNs.offset, true);
    const age = Number(process.hrtime.bigint() - time) / 1e6;
    // Without a daemon the ring buffer keeps what came first, however old it is.
    if (age > (time < this.#since! ? MISSED_MS : KEPT_MS)) {
      return;
    }
    const bytes = record.subarray(frame.offset);
    const later = laterFragment(bytes);
    if (later === undefined) {
      return;
    }
    const bucket = bucketOf(later.addresses, later.rest, this.#set!.control.hashSecret);
    const key = `${Buffer.from(later.addresses).toString('latin1')} ${later.id}`;
    const kept = { ifindex: view.getUint32(ifindex.offset, true), frame: bytes, offset: later.offset };
    this.#kept.add(key, { ...later, bucket }, kept, now);
  }

  /** Sends what has its first fragment now, forgets what waited too long, and looks again as long as anything is kept. */
  #look(): void {
    const set = this.#set;
    if (set === undefined) {
      return;
    }
    const now = performance.now();
    const unit = flowNow(set);
    this.#kept.expire(now);
    const ready = this.#kept.take(
      now,
      (packet) => findFirst(storedFragments(set, packet.family, packet.bucket), unit, packet) !== undefined,
    );
    for (const fragment of ready) {
      this.#send(set.program, fragment);
    }
    clearTimeout(this.#timer);
    this.#timer = this.#kept.isIdle
      ? undefined
      : setTimeout(
          () => {
            this.#look();
          },
          lookAfter(performance.now() - now),
        ).unref();
  }

  /** Lets the program direct a fragment, and sends what it made of it. What it passes up or drops is lost. */
  #send(program: BpfProgram, { frame, ifindex }: KeptFragment): void {
    try {
      const { returnValue, data } = program.run({ data: frame, origin: { ifindex } });
      const egress =
        returnValue === XdpAction.tx
          ? ifindex
          : returnValue === XdpAction.redirect
            ? egressOf(this.#options.image(), data)
            : undefined;
      if (egress !== undefined) {
        this.#socket!.send(egress, data);
      }
    } catch (error) {
      if (!(error instanceof KernelError)) {
        throw error;
      }
      this.#complain('cannot send a fragment that came before its first one', error);
    }
  }

  /** Once: a flood of packets is none of the log. */
  #complain(message: string, error: unknown): void {
    if (!this.#complained) {
      this.#complained = true;
      this.#options.onEvent(message, { err: error });
    }
  }

  #leave(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#pause);
    this.#ring?.close();
    this.#ring = undefined;
    this.#set = undefined;
  }

  /** Leaves what waits to the next daemon: the program hands over again what has no first fragment yet. */
  close(): void {
    const set = this.#set;
    this.#leave();
    for (const fragment of set === undefined ? [] : this.#kept.waiting) {
      this.#send(set!.program, fragment);
    }
    this.#socket?.close();
    this.#socket = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Returns by which interface a frame leaves: BPF_PROG_RUN does not tell, but its MACs are those of a route. */
function egressOf(image: Image | undefined, frame: Uint8Array): number | undefined {
  for (const { routes } of image?.services ?? []) {
    for (const route of routes) {
      if (
        route.action === 'forward' &&
        Buffer.compare(macBytes(route.mac), frame.subarray(0, 6)) === 0 &&
        Buffer.compare(macBytes(route.sourceMac), frame.subarray(6, 12)) === 0
      ) {
        return route.ifindex;
      }
    }
  }
  return undefined;
}
