/** `beeline bench forward`: starts the process that measures packets a second, and returns its figures. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { run } from '../../lab/index.js';
import { BeelineError } from '../../model/index.js';
import { availableMemory, possibleCpus } from '../../native/index.js';
import { requirePowerOfTwo, requireResources, requireDuration } from '../measure/limits.js';
import { type DirectorName, DIRECTORS } from './contenders.js';
import { type ForwardGoal, forwardGoals } from './goals.js';
import { kernelHasIpvs } from './ipvs.js';
import type { External, ForwardRow, Job, Message } from './job.js';
import { requireUml } from './uml.js';
import { MOST_FLOWS } from './wire.js';

export type { ForwardRow } from './job.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** The IPVS to compare with: this kernel's if it has one, one in Debian's user-mode Linux, or none. */
export const IPVS_CHOICES = ['auto', 'uml', 'none'] as const;
export type IpvsChoice = (typeof IPVS_CHOICES)[number];

export interface ForwardOptions {
  readonly flows: number;
  readonly rounds: number;
  /** The duration of one measurement. */
  readonly durationMs: number;
  readonly ipvs: IpvsChoice;
  /** The CPU that everything runs on; default: the last. */
  readonly cpu?: number | undefined;
  /** A director outside the bench's namespace. */
  readonly external?: External | undefined;
  /** The name of `external`'s interface again, without which it is refused. */
  readonly confirmed?: string | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The figures of all directors. */
export interface ForwardReport {
  readonly rows: readonly ForwardRow[];
  readonly goals: readonly ForwardGoal[];
  readonly versions: Readonly<Record<string, string>>;
  readonly cpu: number;
  readonly flows: number;
  /** The interfaces that frames go through: "veth", or the external interface's name. */
  readonly driver: string;
  /** Remarks for the reader: why a director is missing. */
  readonly notes: readonly string[];
}

/** The time that a call of BPF_PROG_RUN with live frames takes in addition to its packets. */
const CALL_MS = 100;

/**
 * Measures how many packets a second each director forwards.
 *
 * @throws BeelineError `BENCH_TOO_LARGE`, `BENCH_DEVICE`, `BENCH_FAILED`, `INTERRUPTED`, `USAGE`, `LAB`
 */
export async function benchForward(options: ForwardOptions): Promise<ForwardReport> {
  const { flows, rounds, durationMs, external, signal, onProgress } = options;
  requireResources({ services: 1, destinations: 2, flows }, { bytes: availableMemory(), cpus: possibleCpus() });
  if (flows > MOST_FLOWS) {
    throw new BeelineError(
      'BENCH_TOO_LARGE',
      `${flows} flows are more than the ${MOST_FLOWS} that the client has addresses for`,
      {
        hint: 'BenchSize for fewer --flows.',
      },
    );
  }
  requirePowerOfTwo(flows);
  requireDuration(
    (2 * DIRECTORS.length * rounds * (durationMs + CALL_MS)) / 1000,
    'BenchSize for fewer --rounds or a shorter --duration.',
  );
  const cpu = options.cpu ?? availableParallelism() - 1;
  if (cpu >= possibleCpus()) {
    throw new BeelineError('USAGE', `there is no CPU ${cpu}`, { hint: `There are 0 to ${possibleCpus() - 1}.` });
  }
  requireConfirmation(options);
  if (process.getuid?.() !== 0) {
    throw new BeelineError('CAPABILITY_MISSING', 'only root can make network namespaces and send frames', {
      hint: 'Use sudo.',
    });
  }
  const { directors, notes } = external === undefined ? await choose(options.ipvs) : { directors: [], notes: [] };
  const directory = mkdtempSync(join(tmpdir(), 'beeline-bench-'));
  try {
    const job: Job = { directors, flows, rounds, durationMs, cpu, directory, external };
    const { rows, versions, notes: more } = await measureInWorker(job, signal, onProgress);
    const driver = external === undefined ? 'veth' : external.device;
    return { rows, goals: forwardGoals(rows), versions, cpu, flows, driver, notes: [...notes, ...more] };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Refuses an external director whose interface was not named again: millions of frames leave through it, and frames that
 * arrive there meanwhile are dropped.
 *
 * @throws BeelineError `BENCH_DEVICE`
 */
function requireConfirmation({ external, confirmed }: ForwardOptions): void {
  if (external !== undefined && external.device !== confirmed) {
    throw new BeelineError('BENCH_DEVICE', `${external.device} is no device of the bench's lab`, {
      hint:
        `Millions of frames would leave through it, and everything that arrives there would be dropped. If that is what ` +
        `you want, name it again: --yes-flood ${external.device}`,
    });
  }
}

/** Returns the directors that this machine can run, and why others are left out. */
async function choose(ipvs: IpvsChoice): Promise<{ directors: DirectorName[]; notes: string[] }> {
  const missing = new Map<DirectorName, string | undefined>();
  if (!(await isInstalled('nft'))) {
    missing.set('nftables', 'nftables is not installed.');
  }
  if (ipvs === 'uml') {
    requireUml();
  } else {
    missing.set('ipvs-uml', undefined);
  }
  if (ipvs !== 'auto') {
    missing.set('ipvs', undefined);
  } else if (!(await kernelHasIpvs())) {
    missing.set(
      'ipvs',
      'This kernel has no IPVS; "--ipvs uml" compares with one in user-mode Linux (scripts/setup --ipvs).',
    );
  } else if (!(await isInstalled('ipvsadm'))) {
    missing.set('ipvs', 'ipvsadm is not installed.');
  }
  return {
    directors: DIRECTORS.filter((name) => !missing.has(name)),
    notes: [...missing.values()].filter((note) => note !== undefined),
  };
}

async function isInstalled(program: string): Promise<boolean> {
  try {
    await run(program, ['--version']);
    return true;
  } catch (error) {
    if (error instanceof BeelineError) {
      return false;
    }
    throw error;
  }
}

type Rows = Extract<Message, { type: 'rows' }>;

/** Runs the worker in unnamed namespaces, which disappear with all their processes however it ends. */
async function measureInWorker(
  job: Job,
  signal: AbortSignal | undefined,
  onProgress: ((done: number, total: number) => void) | undefined,
): Promise<Rows> {
  const node = ['taskset', '-c', String(job.cpu), process.execPath, WORKER, JSON.stringify(job)];
  const network = job.external === undefined ? ['--net'] : [];
  const unshare = ['unshare', ...network, '--pid', '--mount-proc', '--fork', '--kill-child', '--', ...node];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...unshare], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const interrupt = (): void => {
    child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', interrupt);
  try {
    if (signal?.aborted === true) {
      interrupt();
    }
    return await resultOf(child, signal, onProgress);
  } finally {
    signal?.removeEventListener('abort', interrupt);
  }
}

/** Resolves with the worker's rows when it and its children have ended. */
function resultOf(
  child: ChildProcess,
  signal: AbortSignal | undefined,
  onProgress: ((done: number, total: number) => void) | undefined,
): Promise<Rows> {
  return new Promise((resolve, reject) => {
    let result: Rows | undefined;
    let failure: BeelineError | undefined;
    let stderr = '';
    child.stderr!.on('data', (text: Buffer) => {
      stderr += text.toString();
    });
    child.on('message', (message: Message) => {
      switch (message.type) {
        case 'progress':
          onProgress?.(message.done, message.total);
          break;
        case 'rows':
          result = message;
          break;
        case 'error':
          failure = new BeelineError(
            message.code,
            message.message,
            message.hint === undefined ? {} : { hint: message.hint },
          );
          break;
      }
    });
    child.once('error', reject);
    child.once('close', (status, killedBy) => {
      if (signal?.aborted === true) {
        reject(new BeelineError('INTERRUPTED', 'interrupted'));
      } else if (failure !== undefined) {
        reject(failure);
      } else if (result !== undefined) {
        resolve(result);
      } else {
        reject(
          new BeelineError(
            'BENCH_FAILED',
            `the measuring process ended with ${String(status ?? killedBy)}: ${stderr.trim()}`,
          ),
        );
      }
    });
  });
}
