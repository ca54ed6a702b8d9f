/** One connection between two directors: messages in both directions, with an end to every wait. */

import type { Socket } from 'node:net';

import { BeelineError } from '../../model/index.js';
import { encodeMessage, type Message, MessageDecoder } from './messages.js';

/** How long a message of the other side may be missing, and how long it may leave one unread. */
const SILENCE_MS = 10_000;

export interface ChannelOptions {
  /** How long the other side may be silent; only tests give another one. */
  readonly silenceMs?: number | undefined;
}

export class Channel {
  readonly #socket: Socket;
  readonly #silenceMs: number;
  readonly #decoder = new MessageDecoder();
  readonly #messages: AsyncGenerator<Message, void, undefined>;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, { silenceMs = SILENCE_MS }: ChannelOptions = {}) {
    this.#socket = socket;
    this.#silenceMs = silenceMs;
    socket.setNoDelay(true);
    // Whoever reads or writes learns of it.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(this.#timer);
    });
    this.#messages = this.#read();
    this.#expect();
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** Ends the connection at once. @param reason what whoever reads or writes gets */
  close(reason?: Error): void {
    this.#socket.destroy(reason);
  }

  /** Sends a message. Resolves when the connection takes more: what waits is one message, and the kernel's buffers. */
  async send(message: Message): Promise<void> {
    this.#requireOpen();
    if (this.#socket.write(encodeMessage(message))) {
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.close(new BeelineError('HAND_OVER_MESSAGE', `the other director read nothing for ${this.#silence}`));
      }, this.#silenceMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#socket.off('drain', done).off('close', done);
        resolve();
      };
      this.#socket.on('drain', done).on('close', done);
    });
    this.#requireOpen();
  }

  /** Returns the next message. @throws BeelineError `HAND_OVER_MESSAGE`, `CONTROL_FRAME` */
  async next(): Promise<Message> {
    const { value } = await this.#messages.next();
    if (value === undefined) {
      throw new BeelineError('HAND_OVER_MESSAGE', 'the other director ended the connection');
    }
    return value;
  }

  /** Returns the next message, which must be of a kind. @throws BeelineError as next() does */
  async nextOf<Kind extends Message['type']>(kind: Kind): Promise<Extract<Message, { type: Kind }>> {
    const message = await this.next();
    if (message.type !== kind) {
      throw new BeelineError('HAND_OVER_MESSAGE', `the other director sent "${message.type}" instead of "${kind}"`);
    }
    return message as Extract<Message, { type: Kind }>;
  }

  async *#read(): AsyncGenerator<Message, void, undefined> {
    try {
      for await (const piece of this.#socket) {
        for (const message of this.#decoder.push(piece as Uint8Array)) {
          this.#expect();
          yield message;
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Gives the other side time for its next message: not for a byte, but for the whole. */
  #expect(): void {
    clearTimeout(this.#timer);
    if (this.isOpen) {
      this.#timer = setTimeout(() => {
        this.close(new BeelineError('HAND_OVER_MESSAGE', `the other director said nothing for ${this.#silence}`));
      }, this.#silenceMs);
    }
  }

  get #silence(): string {
    return `${this.#silenceMs / 1000} s`;
  }

  #requireOpen(): void {
    if (!this.isOpen) {
      throw this.#socket.errored ?? new BeelineError('HAND_OVER_MESSAGE', 'the other director ended the connection');
    }
  }
}
