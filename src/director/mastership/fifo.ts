/** Reads what keepalived writes into its notify FIFO, whichever of the two was there first, and tells whether it lives. */

import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { Socket } from 'node:net';

import { Lines } from './notify.js';

/** How often it is looked whether there is a FIFO, and whether it is the one that is read: keepalived may make another. */
const LOOK_MS = 500;
/** Linux's smallest and usual size of a FIFO. */
const BUFFER_BYTES = 65_536;
/** A writer that never pauses does not stop the daemon. */
const MOST_READS = 16;

export interface FifoOptions {
  readonly path: string;
  readonly onLine: (line: string) => void;
  /** keepalived opened the FIFO, or ended, however it did. */
  readonly onPresence: (isThere: boolean) => void;
  /** The FIFO cannot be read; undefined: it can again. */
  readonly onTrouble: (error: Error | undefined) => void;
}

/** keepalived's process for VRRP has the FIFO open as long as it lives. A FIFO that nobody has open to write is at its end. */
export class Fifo {
  readonly #options: FifoOptions;
  readonly #timer: NodeJS.Timeout;
  #socket: Socket | undefined;
  /** Of the file that is read. */
  #inode: bigint | undefined;
  #isThere: boolean | undefined;
  #isClosed = false;

  constructor(options: FifoOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_MS).unref();
    this.#look();
  }

  /** Whether keepalived has the FIFO open. */
  get isThere(): boolean {
    return this.#isThere === true;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#socket?.destroy();
  }

  #look(): void {
    try {
      const found = statSync(this.#options.path, { bigint: true, throwIfNoEntry: false });
      if (this.#socket !== undefined && found?.ino === this.#inode) {
        this.#options.onTrouble(undefined);
        return;
      }
      if (found === undefined) {
        // The old one may have lines still, and ends by itself.
        this.#options.onTrouble(undefined);
        if (this.#socket === undefined) {
          this.#setPresence(false);
        }
        return;
      }
      if (!found.isFIFO()) {
        throw new Error(`${this.#options.path} is not a FIFO: remove it, and restart keepalived`);
      }
      this.#open();
      this.#options.onTrouble(undefined);
    } catch (error) {
      this.#options.onTrouble(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #open(): void {
    const { path } = this.#options;
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const lines = new Lines();
    const take = (text: string): void => {
      lines.add(text).forEach(this.#options.onLine);
    };
    let socket: Socket;
    try {
      this.#inode = fstatSync(fd, { bigint: true }).ino;
      const isThere = drain(fd, take);
      this.#setPresence(isThere);
      socket = new Socket({ fd, readable: true, writable: false });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    const last = this.#socket;
    this.#socket = socket;
    last?.destroy();
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#setPresence(true);
      take(text);
    });
    // The end: keepalived is gone. An error: nothing is known, and it is opened again.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) {
        this.#socket = undefined;
        this.#setPresence(false);
      }
    });
  }

  #setPresence(isThere: boolean): void {
    if (this.#isThere !== isThere && !this.#isClosed) {
      this.#isThere = isThere;
      this.#options.onPresence(isThere);
    }
  }
}

/** Reads what waits. Returns whether somebody has the FIFO open to write. */
function drain(fd: number, take: (text: string) => void): boolean {
  const buffer = Buffer.alloc(BUFFER_BYTES);
  for (let i = 0; i < MOST_READS; i += 1) {
    let length: number;
    try {
      length = readSync(fd, buffer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        return true;
      }
      throw error;
    }
    if (length === 0) {
      return false;
    }
    take(buffer.toString('latin1', 0, length));
  }
  return true;
}
