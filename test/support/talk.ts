/**
 * TCP connections that last, for tests.
 *
 *   serve NAME PORTS READY            listens on ports; sends each connection its name and then back all that it gets
 *   talk TALKS PATH                   opens connections, and writes PATH.begun when each has its server's name. On
 *                                     SIGTERM, each sends once more and ends; PATH.ended then has what became of them
 *   ask TARGETS COUNT SECONDS         connects to each so often, and prints the servers' names, or why there is none
 *   upload ADDRESS PORT BYTES         sends so many bytes, ends, and prints the number that came back
 */

import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Connections to one address and port. */
export interface Talk extends Target {
  /** The number of those that send all the time. */
  readonly sending: number;
  /** The number of those that send when they begin and when they end. */
  readonly silent: number;
}

/** One connection. */
export interface Talked extends Target {
  readonly isSending: boolean;
  /** The server's name. */
  server?: string;
  /** Why it is over before its time. */
  failure?: string;
}

const EVERY_MS = 100;
/** Longer than a segment. */
const CHUNK = Buffer.alloc(2000, 'x');
/** Longer than TCP waits between two retransmissions after an interruption of ten seconds. */
const END_TIMEOUT_MS = 45_000;

function serve(name: string, ports: readonly number[], ready: string): void {
  let listening = 0;
  for (const port of ports) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.write(`${name}\n`);
      socket.pipe(socket);
    });
    // "::" takes IPv4 too.
    server.listen({ port, host: '::', backlog: 4096 }, () => {
      listening += 1;
      if (listening === ports.length) {
        writeFileSync(ready, '');
      }
    });
  }
}

class Talker {
  readonly #socket: Socket;
  readonly #talked: Talked;
  #sent = 0;
  #received = 0;
  #beginning = '';

  constructor(talked: Talked) {
    this.#talked = talked;
    this.#socket = connect({ host: talked.address, port: talked.port, allowHalfOpen: true });
    this.#socket.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      this.#fail(code ?? message);
    });
    this.#socket.on('data', (data: Buffer) => {
      this.#receive(data);
    });
  }

  #receive(data: Buffer): void {
    if (this.#talked.server !== undefined) {
      this.#received += data.length;
      return;
    }
    this.#beginning += data.toString();
    const end = this.#beginning.indexOf('\n');
    if (end >= 0) {
      this.#talked.server = this.#beginning.slice(0, end);
      this.#received = this.#beginning.length - end - 1;
    }
  }

  #fail(why: string): void {
    this.#talked.failure ??= why;
  }

  send(): void {
    if (this.#socket.writable) {
      this.#socket.write(CHUNK);
      this.#sent += CHUNK.length;
    }
  }

  /** Sends once more, and waits until all is back. */
  async end(): Promise<void> {
    if (this.#talked.failure !== undefined) {
      return;
    }
    this.send();
    this.#socket.end();
    const timer = setTimeout(() => {
      this.#fail(`silent, ${this.#received} of ${this.#sent} bytes are back`);
      this.#socket.destroy();
    }, END_TIMEOUT_MS);
    // An error is noted already.
    await once(this.#socket, 'end').catch(() => undefined);
    clearTimeout(timer);
    if (this.#received !== this.#sent) {
      this.#fail(`${this.#received} of ${this.#sent} bytes are back`);
    }
  }
}

/** Writes a file that is whole from the moment on that it exists. */
function write(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

async function talk(talks: readonly Talk[], path: string): Promise<void> {
  const all = talks.flatMap(({ address, port, sending, silent }) =>
    Array.from({ length: sending + silent }, (_, i): Talked => ({ address, port, isSending: i < sending })),
  );
  const talkers = all.map((talked) => new Talker(talked));
  const senders = talkers.filter((_, i) => all[i]!.isSending);
  talkers.forEach((talker) => {
    talker.send();
  });
  let told = false;
  const timer = setInterval(() => {
    senders.forEach((talker) => {
      talker.send();
    });
    if (!told && all.every(({ server, failure }) => server !== undefined || failure !== undefined)) {
      told = true;
      write(`${path}.begun`, all);
    }
  }, EVERY_MS);
  await once(process, 'SIGTERM');
  clearInterval(timer);
  await Promise.all(talkers.map((talker) => talker.end()));
  write(`${path}.ended`, all);
  process.exit();
}

/** Connects and resolves to the server's name, or to why there is none. */
async function ask({ address, port }: Target, seconds: number): Promise<string> {
  const socket = connect({ host: address, port });
  socket.setTimeout(seconds * 1000, () => socket.destroy(new Error('timeout')));
  try {
    const [name] = (await once(socket, 'data')) as [Buffer];
    return name.toString().trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  } finally {
    socket.destroy();
  }
}

/** Prints how many bytes of an upload came back. */
async function upload(address: string, port: number, bytes: number): Promise<void> {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  let received = 0;
  socket.on('data', (data: Buffer) => {
    received += received === 0 ? data.length - data.indexOf('\n') - 1 : data.length;
  });
  socket.setTimeout(END_TIMEOUT_MS, () => socket.destroy(new Error(`silent after ${received} bytes`)));
  await once(socket, 'connect');
  socket.end(Buffer.alloc(bytes, 'x'));
  await once(socket, 'end');
  process.stdout.write(String(received));
}

const [mode, ...rest] = process.argv.slice(2) as [string, ...string[]];
const [first, second, third] = rest as [string, string, string];
switch (mode) {
  case 'serve':
    serve(first, second.split(',').map(Number), third);
    break;
  case 'talk':
    await talk(JSON.parse(first) as Talk[], second);
    break;
  case 'ask': {
    const targets = JSON.parse(first) as Target[];
    const asking = targets.map((target) =>
      Promise.all(Array.from({ length: Number(second) }, () => ask(target, Number(third)))),
    );
    process.stdout.write(JSON.stringify(await Promise.all(asking)), () => process.exit());
    break;
  }
  case 'upload':
    await upload(first, Number(second), Number(third));
    break;
}
