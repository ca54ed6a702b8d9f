/** Runs programs of the host for checks and hooks: without a shell, within a time, and with nothing left behind. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

import type { Deadline } from './deadline.js';
import { systemWords, Trouble } from './slow.js';

/** Of each of standard output and standard error so many bytes are kept… */
const KEPT_BYTES = 4096;
/** … and a program that writes more than this is ended: to read without end costs the daemon time. */
const MOST_BYTES = 1 << 20;
/** How long the end of a killed program, and that of its output, is waited for. */
const GRACE_MS = 200;
/** Programs that were killed and have not ended: they hang in the kernel, in a file system that is gone. */
const MOST_UNENDED = 32;

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface Program {
  /** Its path, and its arguments. */
  readonly command: readonly string[];
  /** All of its environment but PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it reads from standard input. Default: nothing. */
  readonly input?: string | undefined;
}

/** How a program ended. */
export interface ProgramEnd {
  readonly how: 'exited' | 'killed' | 'timeout' | 'interrupted' | 'flood';
  /** Of one that exited. */
  readonly status: number;
  /** Of one that was killed by another: "SIGSEGV". */
  readonly signal: string;
  /** The first bytes of what it wrote. */
  readonly output: string;
  readonly errors: string;
}

type Child = ChildProcessByStdio<Writable | null, Readable, Readable>;

let unended = 0;

/**
 * Runs a program in a process group of its own, and kills all of the group when the program ends or the time is over. A child
 * that left the group (setsid, a daemon) lives on: nothing of it is known here.
 *
 * @throws Trouble if it cannot be started, or killed
 */
export async function runProgram(program: Program, deadline: Deadline): Promise<ProgramEnd> {
  if (unended >= MOST_UNENDED) {
    throw new Trouble(`${unended} programs that were killed have not ended`);
  }
  if (deadline.cut !== undefined) {
    throw new Trouble(deadline.cut);
  }
  const child = await start(program);
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (status, signal) => {
      resolve({ status: status ?? -1, signal: signal ?? '' });
    });
  });
  const outputs = [new Output(child.stdout), new Output(child.stderr)] as const;
  // A program that does not read what it is told ends the pipe: that is its business.
  child.stdin?.on('error', () => undefined).end(program.input);
  try {
    const end = await deadline.race(Promise.race([exited, ...outputs.map(({ flooded }) => flooded)]));
    // The group's number is not given again while one of its members lives.
    killGroup(child.pid!);
    if (typeof end === 'string') {
      await awaitEnd(exited);
    }
    // What it wrote last may still be on its way. A grandchild outside of the group may have the pipe, and keep it.
    await soon(Promise.all(outputs.map(({ closed }) => closed)));
    const said = { output: outputs[0].text, errors: outputs[1].text };
    return typeof end === 'string'
      ? { how: end, status: -1, signal: '', ...said }
      : { how: end.signal === '' ? 'exited' : 'killed', ...end, ...said };
  } finally {
    for (const stream of [child.stdin, child.stdout, child.stderr]) {
      stream?.destroy();
    }
    child.unref();
  }
}

type Exit = Pick<ProgramEnd, 'status' | 'signal'>;

/** Counts a program as long as it does not end although it was killed. */
async function awaitEnd(exited: Promise<Exit>): Promise<void> {
  unended += 1;
  const ended = exited.then(() => {
    unended -= 1;
  });
  await soon(ended);
}

/** @throws Trouble */
function start({ command, environment, input }: Program): Promise<Child> {
  const [file = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(new Trouble(`cannot run ${file}: ${systemWords(error)}`, { cause: error }));
    };
    try {
      const child = spawn(file, args, {
        cwd: '/',
        env: { PATH, ...environment },
        // A session of its own: a group of its own, and no terminal.
        detached: true,
        stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      }) as Child;
      child.once('error', fail).once('spawn', () => {
        child.off('error', fail).on('error', () => undefined);
        resolve(child);
      });
    } catch (error) {
      fail(error);
    }
  });
}

/** What a program writes: the first of it, and the rest to nowhere. */
class Output {
  readonly closed: Promise<void>;
  /** Resolves if there is too much of it. */
  readonly flooded: Promise<'flood'>;
  readonly #kept: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Readable) {
    this.closed = new Promise((resolve) => stream.once('close', resolve));
    this.flooded = new Promise((resolve) => {
      stream.on('error', () => undefined);
      stream.on('data', (piece: Buffer) => {
        if (this.#bytes < KEPT_BYTES) {
          this.#kept.push(Buffer.from(piece.subarray(0, KEPT_BYTES - this.#bytes)));
        }
        this.#bytes += piece.length;
        if (this.#bytes > MOST_BYTES) {
          stream.pause();
          resolve('flood');
        }
      });
    });
  }

  get text(): string {
    return Buffer.concat(this.#kept).toString('utf8');
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Nobody is left, which is usual after an exit. Any other error tells of a group that cannot be killed, and nothing more can be done.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw new Trouble(`cannot kill process group ${pid}: ${systemWords(error)}`, { cause: error });
    }
  }
}

async function soon(promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, GRACE_MS);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
