/** How long a jiffy is: the unit that the data path tells time in, because reading it costs packets nothing. */

import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';

/** What kernels are built with (kernel/Kconfig.hz; MIPS and Alpha have others). */
const USUAL_HZ = [100, 250, 300, 1000] as const;

/** Debian's, and most distributions'. */
const DEFAULT_HZ = 250;

/** INITIAL_JIFFIES: five minutes before the lower 32 bits overflow (linux/jiffies.h). */
const JIFFIES_AT_BOOT_S = 300;

let known: number | undefined;

/** How far to shift jiffies to the right for a unit of about a second: between 0.8 and 1.3 of one. */
export function clockShift(): number {
  return Math.round(Math.log2(jiffiesPerSecond()));
}

/** How many of the data path's units make at least so many seconds. */
export function unitsOf(seconds: number): number {
  return Math.ceil((seconds * jiffiesPerSecond()) / 2 ** clockShift());
}

/** How long so many of the data path's units are. */
export function secondsOf(units: number): number {
  return (units * 2 ** clockShift()) / jiffiesPerSecond();
}

/** The kernel's HZ, from what it says of itself; where it says nothing, the usual one. */
export function jiffiesPerSecond(): number {
  known ??=
    fromTimerList(readOrNothing('/proc/timer_list')) ??
    fromConfig(readOrNothing('/proc/config.gz')) ??
    fromConfig(readOrNothing(`/boot/config-${release()}`)) ??
    DEFAULT_HZ;
  return known;
}

/** From the time since boot and how many jiffies went by in it. */
export function fromTimerList(content: Buffer): number | undefined {
  const text = content.toString();
  const now = /^now at (\d+) nsecs$/m.exec(text)?.[1];
  const jiffies = /^jiffies: (\d+)$/m.exec(text)?.[1];
  if (now === undefined || jiffies === undefined) {
    return undefined;
  }
  const seconds = Number(now) / 1e9 - JIFFIES_AT_BOOT_S;
  const hz = (Number(jiffies) - 2 ** 32) / seconds;
  // Around five minutes after boot the two figures say nothing.
  return USUAL_HZ.find((usual) => Math.abs(hz - usual) < usual * 0.05);
}

/** From the configuration that the kernel was built with, compressed or not. */
export function fromConfig(content: Buffer): number | undefined {
  const text = (content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content).toString();
  const hz = /^CONFIG_HZ=(\d+)$/m.exec(text)?.[1];
  return hz === undefined ? undefined : Number(hz);
}

/** What does not exist here, or is kept from us, says nothing. */
function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
