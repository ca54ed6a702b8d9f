/** Posts an event to a URL. */

import { createHmac } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

import { Deadline } from '../slow/deadline.js';
import { readRegularFile } from '../slow/regular-file.js';
import { systemWords, Trouble } from '../slow/slow.js';
import type { HealthEvent } from './event.js';

const ATTEMPTS = 3;
/** Before the second attempt; before the third one twice as long. */
const BACKOFF_MS = 500;
const MOST_SECRET_BYTES = 4096;

export interface Webhook {
  readonly url: string;
  readonly secretFile?: string | undefined;
  /** Within this time all attempts are over. */
  readonly timeoutMs: number;
}

/** Tells whether another attempt makes sense. */
interface Attempt {
  readonly failure?: string;
  readonly isFinal?: boolean;
}

/**
 * Posts the event, up to three times if the network or the server fails. A redirect is a failure: the body goes to no other
 * place than the configuration says. Certificates are verified.
 *
 * @throws Trouble if it was not taken
 */
export async function post(webhook: Webhook, event: HealthEvent, signal: AbortSignal): Promise<void> {
  const body = Buffer.from(JSON.stringify(event));
  using whole = new Deadline(webhook.timeoutMs, signal);
  const headers = await whole.race(headersOf(webhook, event, body));
  if (typeof headers === 'string') {
    throw new Trouble(`${String(webhook.secretFile)}: cannot be read: ${headers}`);
  }
  let failure = '';
  for (let attempt = 1; attempt <= ATTEMPTS && whole.cut === undefined; attempt += 1) {
    if (attempt > 1) {
      await whole.race(sleep(BACKOFF_MS * 2 ** (attempt - 2), undefined, { ref: false }));
    }
    // One that hangs leaves time for the next.
    const leftMs = (webhook.timeoutMs - whole.elapsedMs) / (ATTEMPTS - attempt + 1);
    const result = await postOnce(webhook.url, headers, body, Math.max(leftMs, 1), signal);
    if (result.failure === undefined) {
      return;
    }
    ({ failure } = result);
    if (result.isFinal === true) {
      break;
    }
  }
  throw new Trouble(failure === '' ? (whole.cut ?? 'timeout') : failure);
}

async function headersOf(
  { secretFile }: Webhook,
  { type, id }: HealthEvent,
  body: Buffer,
): Promise<Record<string, string>> {
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    'User-Agent': 'beeline',
    Connection: 'close',
    'X-Beeline-Event': type,
    'X-Beeline-Id': id,
  };
  if (secretFile === undefined) {
    return headers;
  }
  const secret = (await readRegularFile(secretFile, MOST_SECRET_BYTES)).toString('utf8').trim();
  if (secret === '') {
    throw new Trouble(`${secretFile}: is empty`);
  }
  return { ...headers, 'X-Beeline-Signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` };
}

function postOnce(
  url: string,
  headers: Record<string, string>,
  body: Buffer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Attempt> {
  return new Promise((resolve) => {
    const send = url.startsWith('https:') ? requestHttps : requestHttp;
    const request = send(url, { method: 'POST', headers, agent: false });
    const deadline = new Deadline(timeoutMs, signal);
    const settle = (attempt: Attempt): void => {
      deadline[Symbol.dispose]();
      // What the server says beside its status is of no use, however long it is.
      request.destroy();
      resolve(attempt);
    };
    request.on('error', (error) => {
      settle({ failure: systemWords(error) });
    });
    request.on('response', ({ statusCode = 0 }) => {
      settle(judge(statusCode));
    });
    deadline.onCut((cut) => {
      settle({ failure: cut, isFinal: cut === 'interrupted' });
    });
    request.end(body);
  });
}

function judge(status: number): Attempt {
  if (status >= 200 && status < 300) {
    return {};
  }
  // 429: too many requests. Of all others below 500 the next attempt gets the same.
  return { failure: `status ${status}`, isFinal: status < 500 && status !== 429 };
}
