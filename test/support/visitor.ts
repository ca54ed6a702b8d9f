/**
 * Sends HTTP requests from given client addresses and ports, each on a separate connection. The argument is a file with
 * the Visits as JSON. Prints the answers as JSON, in order.
 */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/** One flow. */
export interface Visit {
  readonly client: string;
  readonly clientPort: number;
  readonly vip: string;
  /** Path of the request. Default: the page. */
  readonly path?: string;
}

export interface Visits {
  readonly visits: readonly Visit[];
  /** Number of concurrent requests. */
  readonly concurrency: number;
  /** Whether the flows stay open until the last one is answered. */
  readonly hold: boolean;
}

/** Long enough for TCP to retransmit after 1 s, 3 s and 7 s, in case the director is slow. */
const TIMEOUT_MS = 10_000;

const HEADER_END = '\r\n\r\n';

/** Returns the length of an answer once its header has arrived. */
function responseBytes(text: string): number | undefined {
  const header = text.slice(0, text.indexOf(HEADER_END) + HEADER_END.length);
  const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(header) ?? [];
  return length === undefined ? undefined : header.length + Number(length);
}

type Close = () => void;

/** Requests a page. Resolves to the answer or an error, and a function that ends the flow. */
function visit({ client, clientPort, vip, path = '/' }: Visit): Promise<[answer: string, close: Close]> {
  return new Promise((resolve) => {
    const socket = connect({ host: vip, port: 80, localAddress: client, localPort: clientPort });
    let text = '';
    let bytes: number | undefined;
    const done = (answer: string): void => {
      socket.setTimeout(0);
      // A reset frees address and port at once, at both ends.
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
// Node 20 may wait forever for sockets that were reset while they were about to end.
process.stdout.write(JSON.stringify(answers), () => process.exit());
