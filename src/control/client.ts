/** The commands' end of the control socket. */

import { connect, type Socket } from 'node:net';

import { BeelineError } from '../model/index.js';
import { encodeFrame, FrameDecoder, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from './frame.js';
import { type Method, type Parameters, PROTOCOL_VERSION, type Reply, type Results } from './protocol.js';
import { errorOf } from './reply-error.js';

/** How long to wait for a reply. The largest configurations take a few seconds to load. */
const TIMEOUT_MS = 30_000;

export interface RequestOptions {
  /** For "stop": wait until the daemon's process has ended, so that another one can start at once. */
  readonly untilEnd?: boolean;
}

/** How long a daemon that said that it ends may take for that. */
const END_MS = 10_000;

/**
 * Sends one request to the daemon and returns the result.
 *
 * @param path the control socket
 * @throws BeelineError `NOT_RUNNING`, `CONTROL_DENIED`, `CONTROL_CLOSED`, or the error that the daemon answered
 */
export async function request<Name extends Method>(
  path: string,
  method: Name,
  parameters: Parameters[Name],
  { untilEnd = false }: RequestOptions = {},
): Promise<Results[Name]> {
  const socket = await open(path);
  try {
    const frame = encodeFrame({ version: PROTOCOL_VERSION, id: 1, method, parameters }, MAX_REQUEST_BYTES);
    const { error, result } = asReply(await exchange(socket, frame));
    if (error !== undefined) {
      throw errorOf(error);
    }
    if (untilEnd) {
      await ended(socket);
    }
    return result as Results[Name];
  } finally {
    socket.destroy();
  }
}

/** Resolves when the daemon has ended the connection, or has had the time for it. */
async function ended(socket: Socket): Promise<void> {
  if (socket.closed) {
    return;
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, END_MS);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function asReply(value: unknown): Reply {
  if (typeof value !== 'object' || value === null || !('version' in value)) {
    throw new BeelineError('CONTROL_FRAME', 'the daemon sent something that is not a reply');
  }
  return value as Reply;
}

/** Returns whether a daemon listens at the path. */
export async function isRunning(path: string): Promise<boolean> {
  try {
    (await open(path)).destroy();
    return true;
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'NOT_RUNNING') {
      return false;
    }
    throw error;
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      reject(connectError(path, error));
    });
  });
}

function connectError(path: string, error: NodeJS.ErrnoException): BeelineError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new BeelineError('NOT_RUNNING', `no daemon listens on ${path}`, {
        hint: 'Start it: beeline run FILE.',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
      return new BeelineError('CONTROL_DENIED', `only root may talk to the daemon (${path})`, {
        hint: 'Use sudo.',
        cause: error,
      });
    default:
      return new BeelineError('CONTROL_CLOSED', `cannot connect to ${path}: ${error.message}`, { cause: error });
  }
}

function exchange(socket: Socket, frame: Uint8Array): Promise<unknown> {
  const decoder = new FrameDecoder(MAX_REPLY_BYTES);
  return new Promise((resolve, reject) => {
    const closed = (message: string): void => {
      reject(new BeelineError('CONTROL_CLOSED', message));
    };
    socket.setTimeout(TIMEOUT_MS, () => {
      closed(`the daemon did not answer within ${TIMEOUT_MS / 1000} s`);
    });
    socket.on('error', (error) => {
      closed(`the connection to the daemon broke: ${error.message}`);
    });
    socket.on('close', () => {
      closed('the daemon closed the connection without an answer');
    });
    socket.on('data', (piece) => {
      try {
        for (const value of decoder.push(piece)) {
          resolve(value);
        }
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.write(frame);
  });
}
