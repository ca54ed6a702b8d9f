/**
 * Requests over HTTP from chosen client addresses and ports, each on a connection of its own; argument: a file with the
 * Visits as JSON. Prints what each was answered, as JSON, in their order.
 */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/** One flow. */
export interface Visit {
  readonly client: string;
  readonly clientPort: number;
  readonly vip: string;
  /** Default: the page. */
  readonly path?: string;
}

export interface Visits {
  readonly visits: readonly Visit[];
  /** How many at a time. */
  readonly concurrency: number;
  /** Whether the flows stay open until the last is there. */
  readonly hold: boolean;
}

/** TCP asks again after 1 s, 3 s and 7 s: for a director that is slow. */
const TIMEOUT_MS = 10_000;

const HEADER_END = '\r\n\r\n';

/** How long an answer will be, once its header is there. */
function responseBytes(text: string): number | undefined {
  const header = text.slice(0, text.indexOf(HEADER_END) + HEADER_END.length);
  const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(header) ?? [];
  return length === undefined ? undefined : header.length + Number(length);
}

type Close = () => void;

/** What was answered, or why nothing was, and what ends the flow. */
function visit({ client, clientPort, vip, path = '/' }: Visit): Promise<[answer: string, close: Close]> {
  return new Promise((resolve) => {
    const socket = connect({ host: vip, port: 80, localAddress: client, localPort: clientPort });
    let text = '';
    let bytes: number | undefined;
    const done = (answer: string): void => {
      socket.setTimeout(0);
      // With a reset: after it address and port are free at once, at both ends.
      resolve([answer, () => socket.resetAndDestroy()]);
    };
    socket.setTimeout(TIMEOUT_MS, () => {
      done(`timeout after ${text.length} bytes`);
    });
    socket.on('error', ({ message, code }: NodeJS.ErrnoException) => {
      done(code ?? message);
    });
    socket.on('end', () => {
      done(`ended after ${text.length} bytes`);
    });
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      bytes ??= responseBytes(text);
      if (text.length === bytes) {
        done(text.slice(text.indexOf(HEADER_END)).trim());
      }
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${vip}\r\n\r\n`);
  });
}

const { visits, concurrency, hold } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Visits;
const answers: string[] = [];
const held: Close[] = [];
let next = 0;

async function visitor(): Promise<void> {
  while (next < visits.length) {
    const index = next;
    next += 1;
    const [answer, close] = await visit(visits[index]!);
    answers[index] = answer;
    if (hold) {
      held.push(close);
    } else {
      close();
    }
  }
}

await Promise.all(Array.from({ length: concurrency }, visitor));
held.forEach((close) => {
  close();
});
// Node 20 may wait for ever for sockets that were reset while they were about to end.
process.stdout.write(JSON.stringify(answers), () => process.exit());
