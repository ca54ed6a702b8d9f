/**
 * What checks of 1,000 real servers cost, 3,000 a second: by the addon's loop alone, by the engine that uses it (what is due, what
 * results mean, states), and by Node's sockets.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

export interface CheckCost {
  readonly kind: 'tcp' | 'http';
  readonly by: 'addon' | 'engine' | 'node';
  /** Checks that ended in a second. */
  readonly perSecond: number;
  /** Of one core, user and system, in percent. */
  readonly cpuPercent: number;
  /** Checks that did not succeed, of all. */
  readonly failed: number;
  readonly checks: number;
  /** By how much the process grew, in MiB. */
  readonly memoryMiB: number;
}

/**
 * Measures in network namespaces of its own, which end with the processes. Needs root.
 *
 * @throws Error when a process failed, with its output
 */
export async function benchChecks(options: { rate: number; seconds: number }): Promise<CheckCost[]> {
  const costs: CheckCost[] = [];
  for (const by of ['addon', 'engine', 'node'] as const) {
    for (const kind of ['tcp', 'http'] as const) {
      costs.push({ by, kind, ...(await measure(by, kind, options)) });
    }
  }
  return costs;
}

async function measure(
  by: string,
  kind: string,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<Omit<CheckCost, 'by' | 'kind'>> {
  const command = ['--net', process.execPath, WORKER, 'measure', by, kind, String(rate), String(seconds)];
  const child = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString();
  });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) {
    throw new Error(`the benchmark of checks ended with ${String(status)}: ${output}`);
  }
  return JSON.parse(output) as Omit<CheckCost, 'by' | 'kind'>;
}

export function formatCheckCosts(costs: readonly CheckCost[]): string {
  const lines = costs.map(
    ({ kind, by, perSecond, cpuPercent, failed, checks, memoryMiB }) =>
      `${kind.padEnd(4)}  ${by.padEnd(6)}  ${perSecond.toFixed(0).padStart(5)}/s  ` +
      `${cpuPercent.toFixed(1).padStart(5)} % of a core  ${memoryMiB.toFixed(0).padStart(3)} MiB more  ` +
      `${failed} of ${checks} failed`,
  );
  return `${lines.join('\n')}\n`;
}
