/** Reads files of the host that checks need, without waiting for what is no file, or reading without end. */

import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';

import { systemWords, Trouble } from './slow.js';

/**
 * Reads that have not ended, by what they do. All who want the same at this moment get the same: a file system that hangs keeps a
 * thread of Node.js for each read, and there are four.
 */
const reading = new Map<string, Promise<unknown>>();

/**
 * Returns the first bytes of a regular file.
 *
 * @throws Trouble if it cannot be read; `cause` is the system's error, if there is one
 */
export function readRegularFile(path: string, limit: number): Promise<Buffer> {
  return together(`read ${limit} ${path}`, path, () => read(path, limit));
}

/** @throws Trouble */
export function statFile(path: string): Promise<Stats> {
  return together(`stat ${path}`, path, () => stat(path));
}

function together<Value>(key: string, path: string, act: () => Promise<Value>): Promise<Value> {
  const found = reading.get(key) as Promise<Value> | undefined;
  if (found !== undefined) {
    return found;
  }
  const promise = act()
    .catch((error: unknown) => {
      throw error instanceof Trouble ? error : new Trouble(`${path}: ${systemWords(error)}`, { cause: error });
    })
    .finally(() => {
      reading.delete(key);
    });
  reading.set(key, promise);
  return promise;
}

async function read(path: string, limit: number): Promise<Buffer> {
  // A FIFO without a writer would block, and a terminal would become the daemon's.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    if (!(await file.stat()).isFile()) {
      throw new Trouble(`${path}: is no regular file`);
    }
    const buffer = Buffer.alloc(limit);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, limit - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length === limit) {
        return buffer.subarray(0, length);
      }
    }
  } finally {
    await file.close();
  }
}
