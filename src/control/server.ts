/** The daemon's end of the control socket. */

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { BeelineError } from '../model/index.js';
import { encodeFrame, FrameDecoder, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from './frame.js';
import { type Method, type Parameters, PROTOCOL_VERSION, type ReplyError, type Results } from './protocol.js';
import { parameterSchemas, requestSchema } from './schemas.js';

/** One function a method. What they throw becomes the reply's error. */
export type Handlers = {
  readonly [Name in Method]: (parameters: Parameters[Name]) => Promise<Results[Name]> | Results[Name];
};

export interface ServerOptions {
  readonly path: string;
  readonly handlers: Handlers;
  /** Told of errors that are not the client's. */
  readonly onError: (error: unknown) => void;
  /** Told of clients that do not keep to the protocol. */
  readonly onWrongClient?: (error: BeelineError) => void;
}

/** A client that sends nothing for so long after connecting is let go. */
const IDLE_MS = 60_000;
const MAX_CONNECTIONS = 64;
/** How long a client has to take its last reply, after which the connection ends whether it did or not. */
const HANG_UP_MS = 1_000;

interface Connection {
  /** The reply to the request that is under way. */
  answering: Promise<void>;
}

/** Serves root alone: the socket's mode is 0600, in a folder of mode 0700. */
export class ControlServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  #closing = false;

  private constructor(options: ServerOptions) {
    this.#options = options;
    // A client may say all it has to say and then wait for the replies.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      void this.#serve(socket);
    });
  }

  /** Listens; whoever calls holds the instance's lock, so what stands at the path is a dead daemon's. */
  static async listen(options: ServerOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
    rmSync(options.path, { force: true });
    // Nobody but root may connect, not even between the socket's birth and chmod.
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
   * Lets requests that are under way be answered, then ends. Nobody can hold it up: not by sending half a frame, and not
   * by taking no reply.
   */
  async close(): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) =>
      this.#server.close(() => {
        resolve();
      }),
    );
    for (const [socket, { answering }] of this.#connections) {
      void answering.then(() => {
        hangUp(socket);
      });
    }
    const timer = setTimeout(() => {
      for (const socket of this.#connections.keys()) {
        socket.destroy();
      }
    }, HANG_UP_MS);
    await closed;
    clearTimeout(timer);
  }

  /** One request after another: none is read before the reply to the last is on its way. */
  async #serve(socket: Socket): Promise<void> {
    const connection: Connection = { answering: Promise.resolve() };
    const isOneTooMany = this.#connections.size >= MAX_CONNECTIONS;
    this.#connections.set(socket, connection);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    // The client went away; what it asked for is done or is being done.
    socket.on('error', () => socket.destroy());
    if (isOneTooMany) {
      await this.#refuse(
        socket,
        new BeelineError('CONTROL_CLOSED', `the daemon has ${MAX_CONNECTIONS} connections, and takes no more`, {
          hint: 'Try again when other commands have ended.',
        }),
      );
      return;
    }
    const decoder = new FrameDecoder(MAX_REQUEST_BYTES);
    try {
      for await (const piece of socket.iterator({ destroyOnReturn: false })) {
        for (const value of decoder.push(piece as Uint8Array)) {
          if (this.#closing) {
            return;
          }
          connection.answering = this.#answer(socket, value);
          await connection.answering;
        }
      }
      if (!decoder.isBetweenFrames) {
        throw new BeelineError('CONTROL_FRAME', 'the connection ended in the middle of a frame');
      }
      hangUp(socket);
    } catch (error) {
      if (error instanceof BeelineError) {
        // There is no telling where the next frame would begin.
        await this.#refuse(socket, error);
      } else if (!socket.destroyed) {
        this.#options.onError(error);
        socket.destroy();
      }
    }
  }

  async #refuse(socket: Socket, error: BeelineError): Promise<void> {
    this.#options.onWrongClient?.(error);
    await send(socket, 0, { error: this.#describe(error) });
    hangUp(socket);
  }

  async #answer(socket: Socket, value: unknown): Promise<void> {
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
      await send(socket, id, { result: await this.#call(method, parameters) });
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
    return handler(checked.data);
  }

  #describe(error: unknown): ReplyError {
    if (error instanceof BeelineError) {
      return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
    }
    this.#options.onError(error);
    return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
  }
}

function isMethod(name: string): name is Method {
  return Object.hasOwn(parameterSchemas, name);
}

/** Resolves when the client has taken enough of it that more may follow, or is gone. */
async function send(socket: Socket, id: number, outcome: { result: unknown } | { error: ReplyError }): Promise<void> {
  if (!socket.writable) {
    return;
  }
  if (socket.write(encodeFrame({ version: PROTOCOL_VERSION, id, ...outcome }, MAX_REPLY_BYTES))) {
    return;
  }
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/**
 * Ends a connection when the client has taken what was written. Until the client ends it too, what it still sends is
 * read: it would get an error for sending, before it has read why.
 */
function hangUp(socket: Socket): void {
  socket.end();
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), HANG_UP_MS);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
