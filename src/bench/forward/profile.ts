/** Profiles this process by perf, where it is installed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { run } from '../../lab/index.js';

/** A kernel function or XDP program, and its share of the measuring process's time. */
export interface Hotspot {
  readonly symbol: string;
  readonly percent: number;
}

const HERTZ = 1999;
const SECONDS = 1;
/** Enough to include the XDP programs; each of the rest has half a percent or less. */
const HOTTEST = 50;
/** The time that perf takes to start. */
const START_MS = 300;

/**
 * Samples this process, kernel functions included, and returns the hottest first; undefined without perf or permission.
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

/** Parses the output of `perf report --sort symbol`. Pure. */
export function parseHotspots(text: string): Hotspot[] {
  return [...text.matchAll(/^ *([\d.]+)% +\[.\] (\S+)/gm)].slice(0, HOTTEST).map(([, percent, symbol]) => ({
    symbol: symbol!,
    percent: Number(percent),
  }));
}

/** Returns an XDP program's share by its name in the object. The kernel's symbol is bpf_prog_TAG_NAME, the name cut to 15. */
export function shareOfProgram(hotspots: readonly Hotspot[], name: string): number {
  return (
    hotspots.find(({ symbol }) => symbol.startsWith('bpf_prog_') && symbol.endsWith(`_${name.slice(0, 15)}`))
      ?.percent ?? 0
  );
}
