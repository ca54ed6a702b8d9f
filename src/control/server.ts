/** The daemon's end of the control socket. */

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';

import { BeelineError } from '../model/index.js';
import { encodeFrame, FrameDecoder, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from './frame.js';
import { PROTOCOL_VERSION, type Method, type Parameters, type ReplyError, type Results } from './protocol.js';
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
}

/** A client that sends nothing for so long after connecting is let go. */
const IDLE_MS = 60_000;
const MAX_CONNECTIONS = 64;

/** Serves root alone: the socket's mode is 0600, in a folder of mode 0700. */
export class ControlServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#serve(socket);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
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

  /** Lets requests that are under way be answered, then ends. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) =>
      this.#server.close(() => {
        resolve();
      }),
    );
    for (const socket of this.#sockets) {
      socket.end();
    }
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const decoder = new FrameDecoder(MAX_REQUEST_BYTES);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    // The client went away; what it asked for is done or is being done.
    socket.on('error', () => socket.destroy());
    let turn: Promise<void> = Promise.resolve();
    socket.on('data', (piece) => {
      try {
        for (const value of decoder.push(piece)) {
          turn = turn.then(() => this.#answer(socket, value));
        }
      } catch (error) {
        // There is no telling where the next frame would begin.
        send(socket, 0, { error: this.#describe(error) });
        socket.end();
      }
    });
  }

  async #answer(socket: Socket, value: unknown): Promise<void> {
    const request = requestSchema.safeParse(value);
    if (!request.success) {
      const error: ReplyError = { code: 'CONTROL_FRAME', message: 'a frame is not a request' };
      send(socket, 0, { error });
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
      send(socket, id, { result: await this.#call(method, parameters) });
    } catch (error) {
      send(socket, id, { error: this.#describe(error) });
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

function send(socket: Socket, id: number, outcome: { result: unknown } | { error: ReplyError }): void {
  if (socket.writable) {
    socket.write(encodeFrame({ version: PROTOCOL_VERSION, id, ...outcome }, MAX_REPLY_BYTES));
  }
}
