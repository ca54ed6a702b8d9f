/** Runs ipvsadm's three programs with this host's terminal, daemon, names and addresses. Made to start fast. */

import { errorOf, request } from '../control/index.js';
import { DEFAULT_INSTANCE, instanceOf, parseIp } from '../model/index.js';
import { failureOf } from './errors.js';
import type { Director, Environment } from './environment.js';
import { clearAndRestore, execute } from './execute.js';
import { hasService } from './keys.js';
import { systemNames } from './names.js';

export const TOOLS = ['ipvsadm', 'ipvsadm-save', 'ipvsadm-restore'] as const;
export type Tool = (typeof TOOLS)[number];

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
    const environment = environmentOf(instance ?? process.env['BEELINE_INSTANCE'] ?? DEFAULT_INSTANCE);
    return await run(tool, words, environment);
  } catch (error) {
    const { text, status } = failureOf(error, 'service');
    process.stderr.write(`${text}\n`);
    return status;
  }
}

async function run(tool: Tool, words: readonly string[], environment: Environment): Promise<number> {
  switch (tool) {
    case 'ipvsadm':
      return execute(words, environment);
    case 'ipvsadm-restore':
      return clearAndRestore(environment);
    case 'ipvsadm-save':
      if (words.some((word) => word.startsWith('-') && word !== '-n')) {
        environment.err(
          'ipvsadm-save: prints commands that recreate the services.\n   With -n, addresses and ports as numbers.\n',
        );
        return 1;
      }
      return execute(words.includes('-n') ? ['-S', '-n'] : ['-S'], environment);
  }
}

function environmentOf(instance: string): Environment {
  let loopback: ReturnType<Environment['loopback']> | undefined;
  return {
    director: daemonAt(instanceOf(instance).socketPath),
    names: systemNames(),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    input: () => process.stdin.setEncoding('utf8') as AsyncIterable<string>,
    loopback: () => (loopback ??= addressesOfLoopback()),
  };
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
    edits: async (changes, atomic) => {
      const { warnings, refused } = await request(socketPath, 'edits', { edits: changes, atomic });
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
