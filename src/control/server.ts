/** The daemon's end of the control socket. */

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { BeelineError } from '../model/index.js';
import { encodeFrame, FrameDecoder, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from './frame.js';
import { type Method, type Parameters, PROTOCOL_VERSION, type ReplyError, type Results } from './protocol.js';
import { replyErrorOf } from './reply-error.js';
import { parameterSchemas, requestSchema } from './schemas.js';
import { checkRequest } from './shape.js';
import { Turns } from './turns.js';

/** One function for each method. An exception becomes the error of the reply. */
export type Handlers = {
  readonly [Name in Method]: (parameters: Parameters[Name]) => Promise<Results[Name]> | Results[Name];
};

export interface ServerOptions {
  readonly path: string;
  readonly handlers: Handlers;
  /** Called with errors that are not the client's. */
  readonly onError: (error: unknown) => void;
  /** Called when a client breaks the protocol. */
  readonly onWrongClient?: (error: BeelineError) => void;
  /** How long a frame may take to arrive; only tests give another one. */
  readonly frameMs?: number;
}

/** How long a connection may be silent before the server ends it. */
const IDLE_MS = 60_000;
/** How long a client has to send a frame that it began, and to read a reply: not for a byte, but for the whole. */
const FRAME_MS = 10_000;
const REPLY_MS = 30_000;
/** Requests that are handled at once. Others wait, but for those that end the daemon. */
const REQUESTS_AT_ONCE = 64;
const ENDS_DAEMON = 'stop';
/** Frames of more than so many bytes are received a few at a time. */
const LARGE_BYTES = 64 << 10;
const LARGE_AT_ONCE = 4;
/** How long a client has to read its last reply before the server ends the connection. */
const HANG_UP_MS = 1_000;

interface Connection {
  /** Resolves when the request that is being handled is answered. */
  answering: Promise<void>;
  /** Its client was refused: what it sends is ignored. */
  isOver: boolean;
  /** Its client was told that the daemon ends. The connection ends with the process: then the daemon's locks are free. */
  isLast: boolean;
  /** Runs while a frame has begun and is not whole. */
  frameTimer?: NodeJS.Timeout | undefined;
  /** Whether it has, or waits for, its turn to send a large frame, and what ends that. */
  hasLarge?: boolean;
  endLarge: () => void;
}

/** Serves root alone: the mode of the socket is 0600, in a folder of mode 0700. */
export class ControlServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  readonly #requests = new Turns(REQUESTS_AT_ONCE);
  readonly #large = new Turns(LARGE_AT_ONCE);
  readonly #frameMs: number;
  #closing = false;

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#frameMs = options.frameMs ?? FRAME_MS;
    // A client may end its side and then wait for the replies.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      void this.#serve(socket);
    });
  }

  /** Listens. The caller holds the instance's lock, so a socket at the path is from a dead daemon. */
  static async listen(options: ServerOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    rmSync(options.path, { force: true });
    // Only root may connect, also between listen and chmod.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        control.#server.once('error', reject).listen(options.path, resolve);
      });
    } finally {
      process.umask(umask);
    }
    chmodSync(options.path, 0o600);
    control.#server.on('error', options.onError);
    return control;
  }

  /**
   * Answers the requests that were received, then ends. A client cannot delay this, neither by half a frame nor by not
   * reading its reply. Who asked for the end keeps the connection until the process has ended.
   */
  async close(): Promise<void> {
    this.#closing = true;
    this.#server.close();
    await Promise.all(Array.from(this.#connections, ([socket, connection]) => endConnection(socket, connection)));
  }

  /** Handles one request after another: none is read before the reply to the last one is sent. */
  async #serve(socket: Socket): Promise<void> {
    const connection: Connection = {
      answering: Promise.resolve(),
      isOver: false,
      isLast: false,
      endLarge: () => undefined,
    };
    this.#connections.set(socket, connection);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(connection.frameTimer);
      connection.endLarge();
      this.#connections.delete(socket);
    });
    // The client went away. Its request is handled all the same.
    socket.on('error', () => socket.destroy());
    const decoder = new FrameDecoder(MAX_REQUEST_BYTES, checkRequest);
    try {
      for await (const piece of socket.iterator({ destroyOnReturn: false })) {
        for (const value of decoder.push(piece as Uint8Array)) {
          clearTimeout(connection.frameTimer);
          connection.frameTimer = undefined;
          if (this.#closing || connection.isOver) {
            return;
          }
          connection.answering = this.#answer(socket, connection, value);
          await connection.answering;
          connection.endLarge();
        }
        if (!decoder.isBetweenFrames) {
          await this.#awaitRest(socket, connection, decoder);
        }
        if (connection.isOver) {
          return;
        }
      }
      if (!decoder.isBetweenFrames) {
        throw new BeelineError('CONTROL_FRAME', 'the connection ended in the middle of a frame');
      }
      hangUp(socket);
    } catch (error) {
      if (error instanceof BeelineError) {
        // The beginning of the next frame is unknown.
        connection.isOver = true;
        await this.#refuse(socket, error);
      } else if (!socket.destroyed) {
        this.#options.onError(error);
        socket.destroy();
      }
    } finally {
      clearTimeout(connection.frameTimer);
      connection.endLarge();
    }
  }

  /** Gives a client time for the rest of a frame. If that is large, waits for its turn before more is read. */
  async #awaitRest(socket: Socket, connection: Connection, decoder: FrameDecoder): Promise<void> {
    if (connection.hasLarge !== true && decoder.frameBytes > LARGE_BYTES) {
      clearTimeout(connection.frameTimer);
      connection.frameTimer = undefined;
      connection.hasLarge = true;
      const end = await this.#large.take();
      connection.endLarge = () => {
        connection.hasLarge = false;
        end();
      };
      if (socket.destroyed) {
        connection.endLarge();
        return;
      }
    }
    connection.frameTimer ??= setTimeout(() => {
      connection.isOver = true;
      const message = `a frame did not arrive as a whole within ${this.#frameMs / 1000} s`;
      void this.#refuse(socket, new BeelineError('CONTROL_FRAME', message));
    }, this.#frameMs);
  }

  async #refuse(socket: Socket, error: BeelineError): Promise<void> {
    this.#options.onWrongClient?.(error);
    await send(socket, 0, { error: this.#describe(error) });
    hangUp(socket);
  }

  async #answer(socket: Socket, connection: Connection, value: unknown): Promise<void> {
    const request = requestSchema.safeParse(value);
    if (!request.success) {
      const error: ReplyError = { code: 'CONTROL_FRAME', message: 'a frame is not a request' };
      await send(socket, 0, { error });
      return;
    }
    const { id, version, method, parameters } = request.data;
    try {
      if (version !== PROTOCOL_VERSION) {
        throw new BeelineError(
          'CONTROL_VERSION',
          `the daemon speaks version ${PROTOCOL_VERSION} of the control protocol, this program version ${version}`,
          { hint: 'Restart the daemon after an upgrade: packets go on meanwhile.' },
        );
      }
      const result = await this.#call(method, parameters);
      connection.isLast = method === ENDS_DAEMON;
      await send(socket, id, { result });
    } catch (error) {
      await send(socket, id, { error: this.#describe(error) });
    }
  }

  async #call(method: string, parameters: unknown): Promise<unknown> {
    if (!isMethod(method)) {
      throw new BeelineError('CONTROL_METHOD', `the daemon knows no method "${method}"`);
    }
    const checked = parameterSchemas[method].safeParse(parameters);
    if (!checked.success) {
      throw new BeelineError('CONTROL_METHOD', `wrong parameters for "${method}"`, { cause: checked.error });
    }
    const handler = this.#options.handlers[method] as (parameters: unknown) => Promise<unknown>;
    const endTurn = method === ENDS_DAEMON ? undefined : await this.#requests.take();
    try {
      return await handler(checked.data);
    } finally {
      endTurn?.();
    }
  }

  #describe(error: unknown): ReplyError {
    if (error instanceof BeelineError) {
      return replyErrorOf(error);
    }
    this.#options.onError(error);
    return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  }
}

/** Resolves when the connection has ended, or may last until the process ends. */
async function endConnection(socket: Socket, connection: Connection): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  const timer = setTimeout(() => socket.destroy(), HANG_UP_MS);
  // Who serves the connection tells of a failure.
  await Promise.race([connection.answering.catch(() => undefined), closed]);
  if (connection.isLast) {
    socket.unref();
  } else {
    hangUp(socket);
    await closed;
  }
  clearTimeout(timer);
}

function isMethod(name: string): name is Method {
  return Object.hasOwn(parameterSchemas, name);
}

/** Sends a reply. Resolves when the socket's buffer has room for more, or when the client is gone. */
async function send(socket: Socket, id: number, outcome: { result: unknown } | { error: ReplyError }): Promise<void> {
  if (!socket.writable) {
    return;
  }
  if (socket.write(encodeFrame({ version: PROTOCOL_VERSION, id, ...outcome }, MAX_REPLY_BYTES))) {
    return;
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => socket.destroy(), REPLY_MS);
    const done = (): void => {
      clearTimeout(timer);
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/**
 * Ends a connection when the client has read what was written. Until the client ends it too, its data is read and
 * ignored: otherwise the client would get an error for sending before it has read the reply.
 */
function hangUp(socket: Socket): void {
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), HANG_UP_MS);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
