/**
 * Finds the end of an HTTP/1 response in the bytes that came so far (RFC 9112). The twin of HttpScan
 * (native/src/check_http.cc), in the same order. Pure.
 */

import type { HttpHead } from '../kinds/kind.js';

type Phase =
  'status' | 'headers' | 'length' | 'chunk-size' | 'chunk-end' | 'trailers' | 'until-close' | 'complete' | 'malformed';

/** Longer than any body that is read: a body of this length or more only has to be too long. */
const ENDLESS = 2 ** 40;
const LINE_FEED = 0x0a;

export interface HttpReaderOptions {
  /** The request was HEAD, whose response has no body. */
  readonly head?: boolean;
  /** The response counts as complete after its headers. */
  readonly onlyHeaders?: boolean;
}

/** Reads line by line, and each byte once however the response is cut into pieces. */
export class HttpReader {
  readonly #head: boolean;
  readonly #onlyHeaders: boolean;
  #phase: Phase = 'status';
  #status = 0;
  /** Of the next line, or of the end of the body or chunk. */
  #position = 0;
  /** No line ends before. */
  #searched = 0;
  #bodyOffset = 0;
  #length: number | undefined;
  #isChunked = false;

  constructor({ head = false, onlyHeaders = false }: HttpReaderOptions = {}) {
    this.#head = head;
    this.#onlyHeaders = onlyHeaders;
  }

  /** Undefined until the status line is there. */
  get http(): HttpHead | undefined {
    return this.#status === 0 ? undefined : { status: this.#status, bodyOffset: this.#bodyOffset };
  }

  /** What the response is when the server closes the connection now: complete, or not. */
  get endsByClose(): boolean {
    return this.#phase === 'until-close';
  }

  /** Takes all bytes since the response began: those of the last call, and more. */
  feed(bytes: Uint8Array): 'more' | 'complete' | 'malformed' {
    for (;;) {
      if (this.#phase === 'complete' || this.#phase === 'malformed') {
        return this.#phase;
      }
      if (this.#phase === 'until-close' || this.#position > bytes.length) {
        return 'more';
      }
      if (this.#phase === 'length') {
        return 'complete';
      }
      // What speaks another protocol is told by its first bytes: it may never send a line.
      if (this.#phase === 'status' && !isBegin(bytes.subarray(this.#position, this.#position + 7))) {
        return 'malformed';
      }
      const end = bytes.indexOf(LINE_FEED, Math.max(this.#position, this.#searched));
      this.#searched = bytes.length;
      if (end < 0) {
        return 'more';
      }
      const line = latin1(bytes.subarray(this.#position, end)).replace(/\r$/, '');
      this.#position = this.#searched = end + 1;
      this.#phase = this.#onLine(line);
    }
  }

  #onLine(line: string): Phase {
    switch (this.#phase) {
      case 'status':
        return this.#statusLine(line);
      case 'headers':
        return this.#headerLine(line);
      case 'chunk-size':
        return this.#chunkSizeLine(line);
      case 'chunk-end':
        return line === '' ? 'chunk-size' : 'malformed';
      case 'trailers':
        return line === '' ? 'complete' : 'trailers';
      default:
        return this.#phase;
    }
  }

  #statusLine(line: string): Phase {
    // "HTTP/1.1 200 OK"; the reason may be missing, with or without the space.
    const status = Number(/^HTTP\/1\.[^] (\d{3})(?: |$)/.exec(line)?.[1]);
    if (!(status >= 100)) {
      return 'malformed';
    }
    this.#status = status;
    this.#length = undefined;
    this.#isChunked = false;
    return 'headers';
  }

  #headerLine(line: string): Phase {
    if (line === '') {
      return this.#headersEnd();
    }
    const colon = line.indexOf(':');
    // As all clients do: one bad header is no other answer.
    const name = colon < 0 ? '' : line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (name === 'transfer-encoding') {
      // The last coding is "chunked" if the body's end can be known at all (RFC 9112, 6.1).
      this.#isChunked = /chunked$/i.test(value);
    } else if (name === 'content-length') {
      if (!/^\d+$/.test(value)) {
        return 'malformed';
      }
      const length = Math.min(Number(value), ENDLESS);
      if (this.#length !== undefined && this.#length !== length) {
        return 'malformed';
      }
      this.#length = length;
    }
    return 'headers';
  }

  #headersEnd(): Phase {
    const status = this.#status;
    // 100 Continue, 103 Early Hints: the response proper follows. After 101 there is no HTTP.
    if (status < 200 && status !== 101) {
      return 'status';
    }
    this.#bodyOffset = this.#position;
    if (this.#onlyHeaders || this.#head || [101, 204, 304].includes(status)) {
      return 'complete';
    }
    if (this.#isChunked) {
      return 'chunk-size';
    }
    if (this.#length === undefined) {
      return 'until-close';
    }
    this.#position += this.#length;
    return 'length';
  }

  #chunkSizeLine(line: string): Phase {
    const digits = /^([0-9a-f]+)[ \t]*(?:;|$)/i.exec(line)?.[1];
    const size = parseInt(digits ?? '', 16);
    if (!(size < ENDLESS)) {
      return 'malformed';
    }
    if (size === 0) {
      return 'trailers';
    }
    this.#position += size;
    return 'chunk-end';
  }
}

function isBegin(bytes: Uint8Array): boolean {
  return 'HTTP/1.'.startsWith(latin1(bytes));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
