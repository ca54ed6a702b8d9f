/** Netlink sockets: one for requests and their answers, one for events. */

import { setTimeout as sleep } from 'node:timers/promises';

import { addon, KernelError, type NativeNetlinkSocket } from '../native/index.js';
import {
  decodeAnswer,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './netlink.js';

const NETLINK_ROUTE = 0;

/** A dump's error when the list changed while it was read (errno.h). */
const EINTR = 4;
/** A dump's error while the dump before is still running (errno.h). */
const EBUSY = 16;
/** Attempts to read a list that changes all the time. After them the caller may try again later. */
const DUMP_ATTEMPTS = 5;
const DUMP_DELAY_MS = 10;

/** A request that the kernel refused. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly errno: number;

  constructor(what: string, errno: number, explanation: string) {
    super(`${what}: ${explanation === '' ? `errno ${errno}` : explanation}`);
    this.errno = errno;
  }
}

interface Pending {
  readonly sequence: number;
  readonly what: string;
  readonly messages: NetlinkMessage[];
  /** The kernel reported that the list changed meanwhile. */
  interrupted: boolean;
  readonly resolve: (messages: NetlinkMessage[]) => void;
  readonly reject: (error: Error) => void;
}

/** Opens a socket for requests. Tests replace it by a simulated kernel. */
export type OpenSocket = (
  onDatagram: (error: Error | undefined, datagram?: Uint8Array) => void,
) => Pick<NativeNetlinkSocket, 'send' | 'setReferenced' | 'close'>;

/** Sends requests one at a time, as the kernel requires for dumps, and resolves with the answers. */
export class RequestSocket implements Disposable {
  readonly #socket: ReturnType<OpenSocket>;
  #pending: Pending | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #sequence = 0;

  constructor(open: OpenSocket = (onDatagram) => new addon.NetlinkSocket(NETLINK_ROUTE, [], onDatagram)) {
    this.#socket = open((error, datagram) => {
      if (error !== undefined) {
        this.#fail(error);
      } else {
        decodeMessages(datagram!).forEach((message) => {
          this.#receive(message);
        });
      }
    });
    this.#socket.setReferenced(false);
  }

  /**
   * Lists all entries of a kind. Asks again if the kernel reports that the list may be incomplete.
   *
   * @throws NetlinkError; KernelError `ENOBUFS`
   */
  async dump(type: number, payload: Uint8Array, what: string): Promise<NetlinkMessage[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#enqueue(type, NLM_F_REQUEST | NLM_F_DUMP, payload, what);
      } catch (error) {
        const again = error instanceof NetlinkError && [EINTR, EBUSY].includes(error.errno);
        if (!again || attempt === DUMP_ATTEMPTS) {
          throw error;
        }
      }
      await sleep(attempt * DUMP_DELAY_MS);
    }
  }

  /** Sends a request and waits for its acknowledgement. Returns its answers, if it has any. @throws NetlinkError */
  request(type: number, flags: number, payload: Uint8Array, what: string): Promise<NetlinkMessage[]> {
    return this.#enqueue(type, NLM_F_REQUEST | NLM_F_ACK | flags, payload, what);
  }

  #enqueue(type: number, flags: number, payload: Uint8Array, what: string): Promise<NetlinkMessage[]> {
    const result = this.#tail.then(
      () =>
        new Promise<NetlinkMessage[]>((resolve, reject) => {
          this.#sequence = (this.#sequence + 1) >>> 0;
          const sequence = this.#sequence;
          this.#pending = { sequence, what, messages: [], interrupted: false, resolve, reject };
          this.#socket.setReferenced(true);
          try {
            this.#socket.send(encodeMessage({ type, flags, sequence, payload }));
          } catch (error) {
            this.#fail(error instanceof Error ? error : new Error(String(error)));
          }
        }),
    );
    this.#tail = result.catch(() => undefined);
    return result;
  }

  #receive(message: NetlinkMessage): void {
    const pending = this.#pending;
    if (pending?.sequence !== message.sequence) {
      return;
    }
    pending.interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
    switch (message.type) {
      case NLMSG_DONE:
      case NLMSG_ERROR: {
        const { errno, explanation } = decodeAnswer(message);
        if (errno === 0) {
          this.#finish(pending);
        } else {
          this.#fail(new NetlinkError(pending.what, errno, explanation));
        }
        return;
      }
      default:
        pending.messages.push(message);
    }
  }

  #finish({ resolve, messages, interrupted, what }: Pending): void {
    if (interrupted) {
      this.#fail(new NetlinkError(what, EINTR, 'the list changed meanwhile'));
      return;
    }
    this.#pending = undefined;
    this.#socket.setReferenced(false);
    resolve(messages);
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#socket.setReferenced(false);
    pending?.reject(error);
  }

  close(): void {
    this.#socket.close();
    this.#fail(new Error('the netlink socket is closed'));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Listens to multicast groups for as long as it is open. */
export class EventSocket implements Disposable {
  readonly #socket: NativeNetlinkSocket;

  /**
   * @param onMessages called with events, in order
   * @param onOverrun called after events were lost, because more came than the socket holds. It is empty now, and the
   *   listener must list everything again
   */
  constructor(groups: readonly number[], onMessages: (messages: NetlinkMessage[]) => void, onOverrun: () => void) {
    this.#socket = new addon.NetlinkSocket(NETLINK_ROUTE, groups, (error, datagram) => {
      if (error === undefined) {
        onMessages(decodeMessages(datagram!));
      } else if (error instanceof KernelError && error.code === 'ENOBUFS') {
        onOverrun();
      } else {
        throw error;
      }
    });
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
