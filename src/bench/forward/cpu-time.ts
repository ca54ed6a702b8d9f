/** CPU times of the measuring process and of user-mode Linux, which it starts. */

import { readdirSync, readFileSync } from 'node:fs';

/** Nanoseconds of CPU time. */
export interface CpuTimes {
  /** In which this thread had a CPU. It includes the network's work in interrupts. */
  readonly ranNs: number;
  /** In which this thread was ready to run and others had the CPU. */
  readonly waitedNs: number;
  /** In which the processes that it started had a CPU. */
  readonly childrenNs: number;
}

/** Reads the CPU times of this thread and of the processes that it started. */
export function cpuTimes(): CpuTimes {
  const [ranNs, waitedNs] = schedstat('/proc/thread-self');
  const children = readFileSync('/proc/thread-self/children', 'utf8').trim().split(' ').filter(Boolean);
  const threads = children.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`));
  return { ranNs, waitedNs, childrenNs: threads.reduce((sum, path) => sum + schedstat(path)[0], 0) };
}

/** Returns the time on a CPU and the time on a run queue (linux/Documentation/scheduler/sched-stats.rst). */
function schedstat(path: string): [ranNs: number, waitedNs: number] {
  const [ran, waited] = readFileSync(`${path}/schedstat`, 'utf8').split(' ').map(Number);
  return [ran!, waited!];
}

/** Returns the CPU times between two readings. */
export function elapsed(before: CpuTimes, after: CpuTimes): CpuTimes {
  return {
    ranNs: after.ranNs - before.ranNs,
    waitedNs: after.waitedNs - before.waitedNs,
    childrenNs: after.childrenNs - before.childrenNs,
  };
}

/** Returns user-mode Linux's clock ticks in its own code and in this kernel: fields 14 and 15 of /proc/PID/stat (proc(5)). */
export function umlTicks(): [user: number, system: number] {
  const [pid] = readFileSync('/proc/thread-self/children', 'utf8').trim().split(' ');
  const stat = readFileSync(`/proc/${pid!}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return [fields[11]!, fields[12]!];
}

/** Returns a remark about how user-mode Linux spent its time between two readings of its ticks. */
export function umlNote(before: readonly [number, number], after: readonly [number, number]): string {
  const [user, system] = [after[0] - before[0], after[1] - before[1]];
  return (
    `User-mode Linux reads and writes each packet by a system call: ${Math.round((100 * system) / (user + system))} % of its ` +
    'time went there, and the rest into an IPVS without a hardware network card. Its rate is computed from its CPU time a ' +
    'packet and the harness. In this kernel IPVS would be faster.'
  );
}
