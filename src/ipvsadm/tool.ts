/** Runs ipvsadm's three programs with this host's terminal, daemon, names and addresses. Made to start fast. */

import { createReadStream, fstatSync } from 'node:fs';

import { errorOf, request } from '../control/index.js';
import { BeelineError, DEFAULT_INSTANCE, type Instance, instanceOf, parseIp, printableText } from '../model/index.js';
import { ExitStatus, failureOf } from './errors.js';
import type { Director, Environment } from './environment.js';
import { clearAndRestore, execute } from './execute.js';
import { hasService } from './keys.js';
import { systemNames } from './names.js';

export const TOOLS = ['ipvsadm', 'ipvsadm-save', 'ipvsadm-restore'] as const;
export type Tool = (typeof TOOLS)[number];

/** Bytes of standard input that are read at once if it is a file: twenty thousand lines. */
const FILE_PIECE = 1 << 20;

/** Flows in a page. */
const PAGE = 5_000;

/** Returns the program of a file name; ipvsadm for any other name, such as "main.js". */
export function toolNamed(name: string): Tool {
  return TOOLS.find((tool) => name === tool || name === `beeline-${tool}`) ?? 'ipvsadm';
}

/**
 * Runs a program to its end.
 *
 * @param instance default: $BEELINE_INSTANCE, or "default"
 * @returns its exit status
 */
export async function runTool(tool: Tool, words: readonly string[], instance?: string): Promise<number> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader may stop: "ipvsadm -Lnc | head".
    if (error.code !== 'EPIPE') {
      process.stderr.write(`ipvsadm: cannot write to standard output: ${error.message}\n`);
    }
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  try {
    const named = instanceOf(instance ?? process.env['BEELINE_INSTANCE'] ?? DEFAULT_INSTANCE);
    const director = new UnattendedDirector(named);
    const status = await run(tool, words, environmentOf(director));
    return status === ExitStatus.ok && director.isUnattended ? ExitStatus.notRunning : status;
  } catch (error) {
    const { text, status } = failureOf(error, 'service');
    process.stderr.write(`${printableText(text)}\n`);
    return status;
  }
}

async function run(tool: Tool, words: readonly string[], environment: Environment): Promise<number> {
  const usage = USAGES[tool];
  const wrong = usage === undefined ? undefined : words.find((word) => tool === 'ipvsadm-restore' || word !== '-n');
  if (usage !== undefined && wrong !== undefined) {
    // Before anything is removed or read: "--help" must not clear the services.
    const isAsked = wrong === '-h' || wrong === '--help';
    environment[isAsked ? 'out' : 'err'](usage);
    return isAsked ? 0 : 1;
  }
  switch (tool) {
    case 'ipvsadm':
      return execute(words, environment);
    case 'ipvsadm-restore':
      return clearAndRestore(environment);
    case 'ipvsadm-save':
      return execute(words.includes('-n') ? ['-S', '-n'] : ['-S'], environment);
  }
}

/** The help of the programs that have less to say than ipvsadm itself. */
const USAGES: Readonly<Partial<Record<Tool, string>>> = {
  'ipvsadm-save':
    'Usage: ipvsadm-save [-n] >FILE\n' +
    'Prints commands that recreate the services: for ipvsadm-restore.\n' +
    '  -n   addresses and ports as numbers\n',
  'ipvsadm-restore':
    'Usage: ipvsadm-restore <FILE\n' +
    'Removes all services, then adds those that ipvsadm-save printed. It takes no options.\n',
};

function environmentOf(director: Director): Environment {
  let loopback: ReturnType<Environment['loopback']> | undefined;
  return {
    director,
    names: systemNames(),
    out: (text) => process.stdout.write(printableText(text)),
    err: (text) => process.stderr.write(printableText(text)),
    input: standardInput,
    loopback: () => (loopback ??= addressesOfLoopback()),
  };
}

/** Reads a file in pieces so large that the daemon hears at once how much comes. */
function standardInput(): AsyncIterable<string> {
  const isFile = fstatSync(0).isFile();
  const stream = isFile ? createReadStream('', { fd: 0, autoClose: false, highWaterMark: FILE_PIECE }) : process.stdin;
  return stream.setEncoding('utf8') as AsyncIterable<string>;
}

async function addressesOfLoopback(): ReturnType<Environment['loopback']> {
  const { networkInterfaces } = await import('node:os');
  return (networkInterfaces()['lo'] ?? []).flatMap(({ address: text, cidr }) => {
    const address = parseIp(text);
    return address === undefined ? [] : [{ address, prefixLength: Number(cidr?.split('/')[1] ?? NaN) }];
  });
}

/** Returns the director whose daemon listens on a socket. */
export function daemonAt(socketPath: string): Director {
  const table: Director['table'] = () => request(socketPath, 'table', {});
  return {
    edit: async (change) => (await request(socketPath, 'edit', { edit: change })).warnings,
    edits: async (changes, atomic, following) => {
      const { warnings, refused } = await request(socketPath, 'edits', { edits: changes, atomic, following });
      return {
        warnings,
        refused: new Map(refused.map(({ index, error }) => [index, errorOf(error)])),
      };
    },
    table,
    has: async (service) => hasService(await table(), service),
    flows: (from) => request(socketPath, 'flows', { from, limit: PAGE }),
    zero: async (service) => {
      await request(socketPath, 'zero', { service });
    },
  };
}

/** The director whose daemon listens, or, for listings while none does, what it left in the pinned maps. */
class UnattendedDirector implements Director {
  readonly #instance: Instance;
  readonly #daemon: Director;
  /** Whether a listing came from the maps. */
  isUnattended = false;

  constructor(instance: Instance) {
    this.#instance = instance;
    this.#daemon = daemonAt(instance.socketPath);
  }

  edit: Director['edit'] = (change) => this.#daemon.edit(change);
  edits: Director['edits'] = (changes, atomic, following) => this.#daemon.edits(changes, atomic, following);
  has: Director['has'] = (service) => this.#daemon.has(service);
  flows: Director['flows'] = (from) => this.#daemon.flows(from);
  zero: Director['zero'] = (service) => this.#daemon.zero(service);

  async table(): ReturnType<Director['table']> {
    try {
      return await this.#daemon.table();
    } catch (error) {
      if (!(error instanceof BeelineError) || error.code !== 'NOT_RUNNING') {
        throw error;
      }
      const { Unattended } = await import('../director/offline.js');
      using left = Unattended.open(this.#instance);
      if (left === undefined) {
        throw error;
      }
      if (!this.isUnattended) {
        this.isUnattended = true;
        process.stderr.write(`beeline: no daemon since ${left.since.toISOString()}: this is what packets follow now\n`);
      }
      return left.table();
    }
  }
}
