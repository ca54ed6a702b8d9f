/**
 * Where the lines of the log go. The daemon never waits for whoever reads them and does not end because a disk is full: lines
 * wait, as many as there is room for, and are tried again. How many were lost is told when the next one can be written.
 */

import { closeSync, constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** The most bytes that wait. */
const MAX_WAITING = 1 << 20;
/** How long until a pipe that is full is tried again. */
const RETRY_MS = 100;

export interface LogSinkOptions {
  /** Called when lines can be written again after some were lost: the log should say so. */
  readonly onLost?: (lines: number) => void;
  readonly maxWaiting?: number;
}

export class LogSink implements Disposable {
  readonly #options: LogSinkOptions;
  readonly #write: (bytes: Uint8Array) => number;
  readonly #close: () => void;
  /** What waits; a part of the first may be written already. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #problem: string | undefined;
  #retry: NodeJS.Timeout | undefined;

  /** @param fd an open file, pipe, terminal or socket */
  constructor(fd: number, options: LogSinkOptions = {}) {
    this.#options = options;
    const stats = fstatSync(fd);
    if (stats.isSocket()) {
      [this.#write, this.#close] = this.#throughSocket(fd);
      return;
    }
    const own = openWithoutWaiting(fd, stats);
    this.#write = (bytes) => writeSync(own ?? fd, bytes);
    this.#close = () => {
      if (own !== undefined) {
        closeSync(own);
      }
    };
  }

  /** Why lines are not written at this moment, as text; undefined: they are. */
  get problem(): string | undefined {
    return this.#problem === undefined
      ? undefined
      : `the log cannot be written: ${this.#problem}; ${this.#waiting.length} lines wait, ${this.#lost} are lost`;
  }

  /** Writes a line, or keeps it for later. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > (this.#options.maxWaiting ?? MAX_WAITING)) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    // Lines that wait already go first, and not at every other line.
    if (this.#retry === undefined) {
      this.flush();
    }
  }

  /** Writes what waits, as far as that is possible now. */
  flush(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    try {
      this.#writeWaiting();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#problem = code === 'EAGAIN' ? 'nobody reads it' : message;
      this.#retry = setTimeout(() => {
        this.flush();
      }, RETRY_MS).unref();
      return;
    }
    this.#problem = undefined;
    if (this.#lost > 0) {
      const lost = this.#lost;
      this.#lost = 0;
      this.#options.onLost?.(lost);
    }
  }

  #writeWaiting(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const written = this.#write(next);
      this.#waitingBytes -= written;
      if (written === next.length) {
        this.#waiting.shift();
      } else {
        this.#waiting[0] = next.subarray(written);
      }
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.#close();
  }

  /** A socket cannot be opened a second time: Node.js writes to it without waiting, and keeps what it does not take. */
  #throughSocket(fd: number): [write: (bytes: Uint8Array) => number, close: () => void] {
    const socket = new Socket({ fd, readable: false, writable: true });
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    socket.unref();
    const write = (bytes: Uint8Array): number => {
      if (failure !== undefined) {
        throw failure;
      }
      if (socket.writableNeedDrain) {
        throw Object.assign(new Error('the socket is full'), { code: 'EAGAIN' });
      }
      socket.write(bytes);
      return bytes.length;
    };
    return [write, () => socket.destroy()];
  }
}

/**
 * Opens a pipe or terminal once more, so that writes to it do not wait: the mode of the file that was given belongs to all who
 * have it. Undefined: the one that was given must do. A file on a disk does not wait for a reader, and has one place to
 * write to.
 */
function openWithoutWaiting(fd: number, stats: Stats): number | undefined {
  if (stats.isFile()) {
    return undefined;
  }
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // A terminal of another user, or nobody reads the pipe yet.
    return undefined;
  }
}
