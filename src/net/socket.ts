/** Netlink sockets: one for requests and their answers, one for events. */

import { setTimeout as sleep } from 'node:timers/promises';

import { addon, KernelError, type NativeNetlinkSocket, type OnDatagrams } from '../native/index.js';
import {
  decodeAnswer,
  decodeMessages,
  encodeMessages,
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

/** For how long events are gathered after others came. */
const GATHER_MS = 10;
/** The socket's errors after which events are missing: it was full, or one was longer than any. */
const LOST = ['ENOBUFS', 'EMSGSIZE'];

/** A request that the kernel refused. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly errno: number;

  constructor(what: string, errno: number, explanation: string) {
    super(`${what}: ${explanation === '' ? `errno ${errno}` : explanation}`);
    this.errno = errno;
  }
}

/** The most requests of a datagram: their answers must fit into the socket. */
const MOST_AT_ONCE = 64;

export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  /** For messages. */
  readonly what: string;
}

/** The answers to a request, or why the kernel refused it. */
export type NetlinkOutcome = NetlinkMessage[] | NetlinkError;

/** Requests that were sent together. Their sequence numbers follow one another. */
interface Pending {
  readonly first: number;
  readonly requests: readonly NetlinkRequest[];
  readonly outcomes: NetlinkOutcome[];
  /** The kernel reported that the list changed meanwhile. */
  interrupted: boolean;
  readonly resolve: (outcomes: NetlinkOutcome[]) => void;
  readonly reject: (error: Error) => void;
}

/** Opens a socket for requests. Tests replace it by a simulated kernel. */
export type OpenSocket = (onDatagrams: OnDatagrams) => Pick<NativeNetlinkSocket, 'send' | 'setReferenced' | 'close'>;

/** Sends requests one at a time, as the kernel requires for dumps, and resolves with the answers. */
export class RequestSocket implements Disposable {
  readonly #socket: ReturnType<OpenSocket>;
  #pending: Pending | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #sequence = 0;

  constructor(open: OpenSocket = (onDatagrams) => new addon.NetlinkSocket(NETLINK_ROUTE, [], onDatagrams)) {
    this.#socket = open((error, datagrams) => {
      if (error !== undefined) {
        this.#fail(error);
      } else {
        decodeMessages(datagrams!).forEach((message) => {
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
        return await this.#one({ type, flags: NLM_F_REQUEST | NLM_F_DUMP, payload, what });
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
    return this.#one({ type, flags: NLM_F_REQUEST | NLM_F_ACK | flags, payload, what });
  }

  /**
   * Sends many requests, some dozens in one datagram: that takes a tenth of the time that one after another takes. The
   * kernel does them in order. One that it refuses keeps no other from being done.
   *
   * @throws KernelError if the socket fails
   */
  async requestEach(requests: readonly NetlinkRequest[]): Promise<NetlinkOutcome[]> {
    const outcomes: NetlinkOutcome[] = [];
    for (let at = 0; at < requests.length; at += MOST_AT_ONCE) {
      const some = requests.slice(at, at + MOST_AT_ONCE);
      // The kernel reports each error, and the end of the last request: then all others are over.
      const flagsOf = (i: number): number => NLM_F_REQUEST | (i === some.length - 1 ? NLM_F_ACK : 0);
      outcomes.push(...(await this.#enqueue(some.map((each, i) => ({ ...each, flags: each.flags | flagsOf(i) })))));
    }
    return outcomes;
  }

  async #one(request: NetlinkRequest): Promise<NetlinkMessage[]> {
    const [outcome] = await this.#enqueue([request]);
    if (outcome instanceof NetlinkError) {
      throw outcome;
    }
    return outcome!;
  }

  #enqueue(requests: readonly NetlinkRequest[]): Promise<NetlinkOutcome[]> {
    const result = this.#tail.then(
      () =>
        new Promise<NetlinkOutcome[]>((resolve, reject) => {
          // Of 32 bits, and in a row.
          if (this.#sequence + requests.length > 0xffff_ffff) {
            this.#sequence = 0;
          }
          const first = this.#sequence + 1;
          this.#sequence += requests.length;
          const outcomes = requests.map((): NetlinkOutcome => []);
          this.#pending = { first, requests, outcomes, interrupted: false, resolve, reject };
          this.#socket.setReferenced(true);
          try {
            this.#socket.send(
              encodeMessages(
                requests.map(({ type, flags, payload }, i) => ({ type, flags, sequence: first + i, payload })),
              ),
            );
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
    const index = pending === undefined ? -1 : message.sequence - pending.first;
    const request = pending?.requests[index];
    if (pending === undefined || request === undefined) {
      return;
    }
    pending.interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
    const outcome = pending.outcomes[index]!;
    if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
      if (!(outcome instanceof NetlinkError)) {
        outcome.push(message);
      }
      return;
    }
    const { errno, explanation } = decodeAnswer(message);
    if (errno !== 0) {
      pending.outcomes[index] = new NetlinkError(request.what, errno, explanation);
    } else if (pending.interrupted) {
      pending.outcomes[index] = new NetlinkError(request.what, EINTR, 'the list changed meanwhile');
    }
    if (index === pending.requests.length - 1) {
      this.#pending = undefined;
      this.#socket.setReferenced(false);
      pending.resolve(pending.outcomes);
    }
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

/**
 * Listens to multicast groups for as long as it is open. Hands over the first events after a pause at once, and gathers those
 * that follow: waking up for each of a thousand neighbours that do not answer costs more than the events.
 */
export class EventSocket implements Disposable {
  readonly #socket: NativeNetlinkSocket;
  #rest: NodeJS.Timeout | undefined;

  /**
   * @param onMessages called with events, in order
   * @param onOverrun called after events were lost, because more came than the socket holds. It is empty now, and the
   *   listener must list everything again
   */
  constructor(groups: readonly number[], onMessages: (messages: NetlinkMessage[]) => void, onOverrun: () => void) {
    this.#socket = new addon.NetlinkSocket(NETLINK_ROUTE, groups, (error, datagrams, more) => {
      if (error === undefined) {
        if (more !== true) {
          this.#pause();
        }
        onMessages(decodeMessages(datagrams!));
      } else if (error instanceof KernelError && LOST.includes(error.code)) {
        onOverrun();
      } else {
        throw error;
      }
    });
  }

  #pause(): void {
    this.#socket.setPaused(true);
    this.#rest = setTimeout(() => {
      this.#socket.setPaused(false);
    }, GATHER_MS);
  }

  close(): void {
    clearTimeout(this.#rest);
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
