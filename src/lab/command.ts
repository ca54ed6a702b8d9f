/** Runs other programs, also in the lab's namespaces. */

import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';

import { BeelineError } from '../model/index.js';

/** Long, for a machine that is busy: what hangs is ended all the same. */
const TIMEOUT_MS = 60_000;

export interface RunOptions {
  readonly input?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program to its end and returns what it wrote to standard output.
 *
 * @throws BeelineError `LAB` with the text that it wrote to standard error
 */
export function run(file: string, args: readonly string[], { input, signal }: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { timeout: TIMEOUT_MS, maxBuffer: 64 << 20, ...(signal && { signal }) },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout);
        } else if (signal?.aborted === true) {
          reject(new BeelineError('LAB', 'interrupted', { cause: error }));
        } else {
          const command = `${file} ${args.join(' ')}`;
          const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
          const reason = missing
            ? `${file} is not installed: ${packageOf(file)}`
            : error.killed === true
              ? `did not end within ${TIMEOUT_MS / 1000} s`
              : stderr.trim() || error.message;
          reject(new BeelineError('LAB', `${command}: ${reason}`, { cause: error }));
        }
      },
    );
    if (input !== undefined) {
      child.stdin?.end(input);
    }
  });
}

/** Debian's packages with the programs of the lab, by the program, where the names differ. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  tc: 'iproute2',
  bridge: 'iproute2',
  nft: 'nftables',
  arping: 'iputils-arping',
  ping: 'iputils-ping',
  nsenter: 'util-linux',
  'linux.uml': 'user-mode-linux',
};

function packageOf(file: string): string {
  return `install the package ${PACKAGES[file] ?? file}`;
}

/** Returns the command line that runs a program in a network namespace. */
export function inNamespace(namespace: string, command: readonly string[]): [file: string, args: string[]] {
  return ['nsenter', [`--net=/run/netns/${namespace}`, '--', ...command]];
}

/** Starts a program in a network namespace and does not wait for its end. */
export function start(namespace: string, command: readonly string[], options: SpawnOptions): ChildProcess {
  const [file, args] = inNamespace(namespace, command);
  return spawn(file, args, options);
}
