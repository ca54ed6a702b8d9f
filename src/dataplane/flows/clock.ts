/** The length of a jiffy, the program's unit of time: reading it costs packets nothing. */

import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';

/** The values that kernels are built with (kernel/Kconfig.hz; MIPS and Alpha have others). */
const USUAL_HZ = [100, 250, 300, 1000] as const;

/** The value of Debian and most distributions. */
const DEFAULT_HZ = 250;

/** INITIAL_JIFFIES: five minutes before the lower 32 bits overflow (linux/jiffies.h). */
const JIFFIES_AT_BOOT_S = 300;

let known: number | undefined;

/** Returns how far to shift jiffies to the right for units of about a second: 0.8 to 1.3 seconds. */
export function clockShift(): number {
  return Math.round(Math.log2(jiffiesPerSecond()));
}

/** Converts seconds to the program's units, rounded up. */
export function unitsOf(seconds: number): number {
  return Math.ceil((seconds * jiffiesPerSecond()) / 2 ** clockShift());
}

/** Converts the program's units to seconds. */
export function secondsOf(units: number): number {
  return (units * 2 ** clockShift()) / jiffiesPerSecond();
}

/** Returns the kernel's HZ, from the first source that tells it, or else the usual one. */
export function jiffiesPerSecond(): number {
  known ??=
    fromTimerList(readOrNothing('/proc/timer_list')) ??
    fromConfig(readOrNothing('/proc/config.gz')) ??
    fromConfig(readOrNothing(`/boot/config-${release()}`)) ??
    DEFAULT_HZ;
  return known;
}

/** Returns HZ from the time since boot and the jiffies that passed in it. */
export function fromTimerList(content: Buffer): number | undefined {
  const text = content.toString();
  const now = /^now at (\d+) nsecs$/m.exec(text)?.[1];
  const jiffies = /^jiffies: (\d+)$/m.exec(text)?.[1];
  if (now === undefined || jiffies === undefined) {
    return undefined;
  }
  const seconds = Number(now) / 1e9 - JIFFIES_AT_BOOT_S;
  const hz = (Number(jiffies) - 2 ** 32) / seconds;
  // About five minutes after boot both are close to zero, and their quotient is arbitrary.
  return USUAL_HZ.find((usual) => Math.abs(hz - usual) < usual * 0.05);
}

/** Returns HZ from the configuration that the kernel was built with, compressed or not. */
export function fromConfig(content: Buffer): number | undefined {
  const text = (content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content).toString();
  const hz = /^CONFIG_HZ=(\d+)$/m.exec(text)?.[1];
  return hz === undefined ? undefined : Number(hz);
}

/** Returns nothing for a file that does not exist or must not be read. */
function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
