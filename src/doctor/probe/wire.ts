/** The doctor's ears and mouth: frames in and out of this host's interfaces, no faster than a network bears. */

import { setTimeout as sleep } from 'node:timers/promises';

import { FrameListener, KernelError, PacketSocket } from '../../native/index.js';
import { filterFor, type Marks } from './filter.js';

/** Every host of a network looks at each broadcast. */
export const ARP_PER_SECOND = 500;
export const PROBES_PER_SECOND = 10_000;

const TICK_MS = 10;
/** The part of a second's frames that may go out at once. */
const BURST = 0.04;
/** Not an error of the program: the interface went away, or its queue is full. */
const PASSING = ['EAGAIN', 'ENOBUFS', 'ENETDOWN', 'ENXIO', 'ENODEV', 'EMSGSIZE'];

export interface Sending {
  readonly ifindex: number;
  readonly frame: Uint8Array;
  /** Called when it goes out. */
  readonly onSent?: () => void;
}

export class Wire implements Disposable {
  readonly #socket = new PacketSocket();
  readonly #listeners: FrameListener[] = [];
  readonly #lost = new Set<string>();
  sent = 0;

  /** @throws KernelError `EPERM` without CAP_NET_RAW */
  constructor(
    interfaces: ReadonlyMap<number, string>,
    marks: Marks,
    onFrame: (ifindex: number, frame: Uint8Array) => void,
  ) {
    const filter = filterFor(marks);
    try {
      for (const [ifindex, name] of interfaces) {
        const listener = new FrameListener(ifindex, filter, (error, frames = []) => {
          // What was heard until then counts.
          if (error !== undefined) {
            this.#lost.add(name);
          }
          frames.forEach((frame) => {
            onFrame(ifindex, frame);
          });
        });
        this.#listeners.push(listener);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Sends frames in this order, and in no second more than so many. Resolves when the last one is out. A stall of the event
   * loop is made up for by a small burst, and no more.
   */
  async send(frames: readonly Sending[], perSecond: number): Promise<void> {
    const burst = perSecond * BURST;
    const perMs = (perSecond - burst) / 1000;
    let [tokens, last] = [1, performance.now()];
    for (let at = 0; at < frames.length;) {
      const now = performance.now();
      tokens = Math.min(burst, tokens + (now - last) * perMs);
      last = now;
      const due = Math.floor(tokens);
      frames.slice(at, at + due).forEach((each) => {
        this.sendNow(each);
      });
      at += due;
      tokens -= due;
      if (at < frames.length) {
        await sleep(TICK_MS);
      }
    }
  }

  /** Sends one frame, whatever else is sent. */
  sendNow({ ifindex, frame, onSent }: Sending): void {
    try {
      this.#socket.send(ifindex, frame);
      this.sent += 1;
      onSent?.();
    } catch (error) {
      if (!(error instanceof KernelError) || !PASSING.includes(error.code)) {
        throw error;
      }
    }
  }

  /** The interfaces that went down meanwhile. */
  get lost(): string[] {
    return [...this.#lost];
  }

  /** Frames that came faster than they were read. */
  get dropped(): number {
    return this.#listeners.reduce((sum, each) => sum + each.takeDropped(), 0);
  }

  close(): void {
    this.#socket.close();
    this.#listeners.forEach((each) => {
      each.close();
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
