/** How commands end: exit statuses, their meanings, and the status of each error. */

import type { ErrorCode } from '../model/index.js';

export const ExitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  changes: 4,
  refused: 5,
  interrupted: 130,
} as const;

/** For the manual; docs/exit-status.md has the same. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof ExitStatus, string>> = {
  ok: 'Done.',
  failed: 'Refused or failed; the message says why and what to do.',
  usage:
    'The command line or the configuration is wrong, or asks for something that this machine does not have. Nothing was changed.',
  notRunning: 'No daemon is running. Packets that it forwarded are still forwarded.',
  changes: 'There are changes ("beeline plan", "beeline diff").',
  refused: 'More flows would move than "--max-moved" allows. Nothing was changed.',
  interrupted: 'Interrupted ("beeline bench", "scripts/demo").',
};

const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: ExitStatus.usage,
  CONFIG_INVALID: ExitStatus.usage,
  CONFIG_UNREADABLE: ExitStatus.usage,
  BENCH_DEVICE: ExitStatus.usage,
  BENCH_TOO_LARGE: ExitStatus.usage,
  IMPORT_INVALID: ExitStatus.usage,
  INTERFACE_MISSING: ExitStatus.usage,
  OUT_OF_MEMORY: ExitStatus.usage,
  INTERRUPTED: ExitStatus.interrupted,
  MAP_KEY: ExitStatus.usage,
  MAP_NO_ENTRY: ExitStatus.usage,
  MAP_UNKNOWN: ExitStatus.usage,
  MAP_VALUE: ExitStatus.usage,
  MAX_MOVED: ExitStatus.refused,
  NOT_FOUND: ExitStatus.usage,
  NOT_RUNNING: ExitStatus.notRunning,
  VRRP_UNSET: ExitStatus.usage,
};

export function exitStatusOf(code: ErrorCode): number {
  return STATUS_OF_CODE[code] ?? ExitStatus.failed;
}
