/**
 * A program of the director's host that is a client of its VIPs: connects and prints what came of it, as a JSON list.
 *
 *   node host-client.js tcp ADDRESS PORT COUNT [LOCAL_ADDRESS]   COUNT requests, each on a connection, 50 at a time
 *   node host-client.js udp ADDRESS PORT COUNT TEXT              COUNT datagrams of a socket that is not connected
 *   node host-client.js hold ADDRESS PORT                        one connection, that echoes lines until standard input ends
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6 } from 'node:net';

/** What a connection, or a datagram, came to. */
export interface Talked {
  readonly reply?: string;
  /** The other end, as the socket tells it. */
  readonly peer?: string;
  readonly local?: string;
  readonly error?: string;
}

const AT_ONCE = 50;
const PATIENCE_MS = 5_000;

function request(address: string, port: number, localAddress: string | undefined): Promise<Talked> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, ...(localAddress && { localAddress }) });
    let reply = '';
    let ends: Talked = {};
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('timeout')));
    socket.on('connect', () => {
      ends = { peer: socket.remoteAddress!, local: socket.localAddress! };
      socket.write('GET / HTTP/1.0\r\n\r\n');
    });
    socket.on('data', (data: Buffer) => {
      reply += data.toString();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ ...ends, error: error.code ?? error.message });
    });
    socket.on('close', () => {
      resolve({ ...ends, reply: reply.split('\r\n\r\n').at(-1)!.trim() });
    });
  });
}

async function requests(count: number, one: () => Promise<Talked>): Promise<Talked[]> {
  const results: Talked[] = [];
  const worker = async (): Promise<void> => {
    while (results.length < count) {
      const at = results.push({}) - 1;
      results[at] = await one();
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, AT_ONCE) }, worker));
  return results;
}

async function datagrams(address: string, port: number, count: number, text: string): Promise<Talked[]> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const results: Talked[] = [];
  for (let i = 0; i < count; i += 1) {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) }) as Promise<
      [Buffer, { address: string }]
    >;
    socket.send(text, port, address);
    try {
      const [data, { address: peer }] = await answer;
      results.push({ reply: data.toString(), peer });
    } catch (error) {
      results.push({ error: (error as Error).name });
    }
  }
  socket.close();
  return results;
}

async function hold(address: string, port: number): Promise<void> {
  const socket = connect({ host: address, port });
  await once(socket, 'connect');
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
}

const [kind, address = '', port = '0', count = '1', extra] = process.argv.slice(2);
if (kind === 'hold') {
  await hold(address, Number(port));
} else if (kind !== undefined) {
  const results =
    kind === 'udp'
      ? await datagrams(address, Number(port), Number(count), extra ?? '')
      : await requests(Number(count), () => request(address, Number(port), extra));
  process.stdout.write(`${JSON.stringify(results)}\n`);
}
