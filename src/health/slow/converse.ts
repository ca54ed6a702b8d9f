/** Drives a talk over a connection of Node.js, as the addon's loop drives it over its own. */

import type { Duplex } from 'node:stream';

import { type Ending, failed, type Talk, type Turn, type Until } from '../kinds/kind.js';
import { DEFAULT_LIMIT } from '../wire/job.js';
import { failureOf, findingOfCut } from './connection.js';
import type { Cut, Deadline } from './deadline.js';
import { HttpReader } from './http-reader.js';
import type { Finding } from './slow.js';
import { isUnexpectedEnd, tlsFailure } from './tls-failure.js';

/** What came since a turn began: at most so many bytes, without a copy of all for each piece. */
class Received {
  #buffer = Buffer.alloc(0);
  #length = 0;
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Returns whether there was more than is read. */
  add(piece: Uint8Array): boolean {
    const length = Math.min(this.#length + piece.length, this.#limit);
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.min(this.#limit, Math.max(length, 2 * this.#buffer.length)));
      larger.set(this.bytes);
      this.#buffer = larger;
    }
    this.#buffer.set(piece.subarray(0, length - this.#length), this.#length);
    const isCut = this.#length + piece.length > this.#limit;
    this.#length = length;
    return isCut;
  }
}

/** @returns when the talk has judged, the connection has failed, or the time is over; the connection stays as it is then */
export function converse(stream: Duplex, talk: Talk, deadline: Deadline): Promise<Finding> {
  return new Promise((resolve) => {
    new Conversation(stream, talk, resolve).start(deadline);
  });
}

class Conversation {
  readonly #stream: Duplex;
  readonly #talk: Talk;
  readonly #resolve: (finding: Finding) => void;
  #until: Until;
  #received = new Received(DEFAULT_LIMIT);
  #reader: HttpReader | undefined;
  #isOver = false;
  #stop: () => void = () => undefined;
  /** Counts turns, so that what a write of an earlier one reports is not taken for this one's. */
  #turn = 0;

  constructor(stream: Duplex, talk: Talk, resolve: (finding: Finding) => void) {
    this.#stream = stream;
    this.#talk = talk;
    this.#resolve = resolve;
    this.#until = talk.first.until;
  }

  start(deadline: Deadline): void {
    this.#stream
      .on('data', this.#onData)
      .on('end', this.#onClose)
      .on('close', this.#onClose)
      .on('error', this.#onError);
    this.#stop = deadline.onCut(this.#onCut);
    this.#begin(this.#talk.first);
    if (this.#stream.destroyed) {
      // Its end was told before anybody listened.
      setImmediate(this.#onClose);
    }
  }

  #begin({ send, until }: Turn): void {
    if (this.#isOver) {
      return;
    }
    const turn = (this.#turn += 1);
    this.#until = until;
    this.#received = new Received(DEFAULT_LIMIT);
    this.#reader =
      until.on === 'http-headers' || until.on === 'http'
        ? new HttpReader({ onlyHeaders: until.on === 'http-headers', head: until.on === 'http' && until.head === true })
        : undefined;
    const isSaidEnough = (): void => {
      if (until.on === 'connected' && turn === this.#turn) {
        this.#endTurn('complete');
      }
    };
    if (send !== undefined && send.length > 0) {
      this.#stream.write(send, (error) => {
        if (error === null || error === undefined) {
          isSaidEnough();
        }
      });
    } else {
      isSaidEnough();
    }
  }

  readonly #onData = (piece: Buffer): void => {
    const isCut = this.#received.add(piece);
    const ending = this.#endingOf();
    if (ending !== undefined) {
      this.#endTurn(ending);
    } else if (isCut) {
      this.#endTurn('too-long');
    }
  };

  #endingOf(): Ending | undefined {
    const { bytes } = this.#received;
    switch (this.#until.on) {
      case 'connected':
        // What is said meanwhile answers nothing.
        this.#received = new Received(DEFAULT_LIMIT);
        return undefined;
      case 'data':
        return 'complete';
      case 'bytes':
        return bytes.includes(Buffer.from(this.#until.bytes)) ? 'complete' : undefined;
      case 'close':
        return undefined;
      default: {
        const progress = this.#reader!.feed(bytes);
        return progress === 'more' ? undefined : progress;
      }
    }
  }

  readonly #onClose = (): void => {
    const isWhole = this.#until.on === 'close' || this.#reader?.endsByClose === true;
    this.#endTurn(isWhole ? 'complete' : 'closed');
  };

  readonly #onError = (error: Error): void => {
    if (isUnexpectedEnd(error)) {
      this.#onClose();
    } else {
      // The server may end TLS after the handshake: it wants a certificate of the client's, or something broke.
      this.#finish({ judgement: failureOf(error) ?? tlsFailure(error) });
    }
  };

  readonly #onCut = (cut: Cut): void => {
    if (cut === 'timeout') {
      this.#endTurn('timeout');
    } else {
      this.#finish(findingOfCut(cut, failed('L7', 'timeout')));
    }
  };

  #endTurn(ending: Ending): void {
    if (this.#isOver) {
      return;
    }
    const next = this.#talk.next(this.#received.bytes, ending, this.#reader?.http);
    if ('passed' in next) {
      this.#finish({ judgement: next });
    } else if (ending === 'complete' && !this.#stream.destroyed) {
      this.#begin(next);
    } else {
      this.#finish({ judgement: failed('L7', ending === 'timeout' ? 'timeout' : 'closed early') });
    }
  }

  #finish(finding: Finding): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#stop();
    this.#stream.pause();
    this.#stream.off('data', this.#onData).off('end', this.#onClose).off('close', this.#onClose);
    this.#resolve(finding);
  }
}
