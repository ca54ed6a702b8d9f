/** Where this process's time goes, by perf where it is installed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { run } from '../../lab/index.js';

/** A function of the kernel, or an XDP program, and the share of the measuring process's time that it had. */
export interface Hotspot {
  readonly symbol: string;
  readonly percent: number;
}

const HERTZ = 1999;
const SECONDS = 1;
/** Enough to have the XDP programs among them; the rest has half a percent or less each. */
const HOTTEST = 50;
/** How long perf takes until it samples. */
const START_MS = 300;

/**
 * Samples this process, and what the network does on its time, hottest first; undefined where there is no perf, or no
 * permission.
 *
 * @param work keeps the process busy for about a second
 */
export async function profile(directory: string, work: () => void): Promise<Hotspot[] | undefined> {
  const file = join(directory, 'perf.data');
  const record = [
    'record',
    '-q',
    '-p',
    String(process.pid),
    '-F',
    String(HERTZ),
    '-o',
    file,
    '--',
    'sleep',
    String(SECONDS),
  ];
  const child = spawn('perf', record, { stdio: 'ignore' });
  const ended = once(child, 'exit').catch(() => [-1]);
  await sleep(START_MS);
  work();
  const [status] = (await ended) as [number | null];
  if (status !== 0) {
    return undefined;
  }
  return parseHotspots(await run('perf', ['report', '-i', file, '--stdio', '-q', '--no-children', '--sort', 'symbol']));
}

/** The lines of `perf report --sort symbol`. Pure. */
export function parseHotspots(text: string): Hotspot[] {
  return [...text.matchAll(/^ *([\d.]+)% +\[.\] (\S+)/gm)].slice(0, HOTTEST).map(([, percent, symbol]) => ({
    symbol: symbol!,
    percent: Number(percent),
  }));
}

/** The share of an XDP program by its name in the object; bpf_prog_TAG_NAME to the kernel, which cuts names. */
export function shareOfProgram(hotspots: readonly Hotspot[], name: string): number {
  return (
    hotspots.find(({ symbol }) => symbol.startsWith('bpf_prog_') && symbol.endsWith(`_${name.slice(0, 15)}`))
      ?.percent ?? 0
  );
}
