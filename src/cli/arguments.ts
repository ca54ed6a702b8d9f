/** Arguments and options that several commands take: files, lengths of time, weights. */

import { Argument, InvalidArgumentError, Option } from 'commander';

import { BeelineError, DEFAULT_CONFIG_PATH, MAX_WEIGHT } from '../model/index.js';
import { completes } from '../usage/index.js';

export function configArgument(): Argument {
  return completes(new Argument('[config]', 'configuration file').default(DEFAULT_CONFIG_PATH), 'file');
}

/** The file of commands that use the running daemon's own file by default. */
export function fileArgument(): Argument {
  return completes(new Argument('[file]', "configuration file (default: the daemon's own)"), 'file');
}

export function maxMovedOption(): Option {
  return new Option(
    '--max-moved <share>',
    'refuse the change if more than this share of all slots would move to another real server: 2%, 0.5%',
  ).argParser(percentage);
}

/** `--keep-host`, for configurations that come from another director. */
export function keepHostOption(): Option {
  return new Option(
    '--keep-host',
    "keep what is this host's own: interfaces, mode, vlans, directors and vrrp, whatever the file says",
  );
}

/** `--json`, in the same words for all commands; docs/json.md has the shapes. */
export function jsonOption(when = ''): Option {
  return new Option('--json', `print JSON${when}`);
}

/** `--dry-run`, of commands that change a host by steps. */
export function dryRunOption(): Option {
  return new Option('--dry-run', 'show the steps, and change nothing');
}

/** Parses "2%" or "0.5%". @returns 0 to 1 @throws InvalidArgumentError */
export function percentage(text: string): number {
  const value = /^\d+(\.\d+)?%$/.test(text) ? parseFloat(text) / 100 : NaN;
  if (!(value <= 1)) {
    throw new InvalidArgumentError('It must be a share from 0% to 100%, for example 2%.');
  }
  return value;
}

/** Parses "90", "90s", "10m" or "2h". @returns milliseconds @throws BeelineError `USAGE` */
export function duration(text: string): number {
  const parts = /^(\d+)(ms|s|m|h)?$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[parts?.[2] ?? 's'];
  if (parts === null || unit === undefined) {
    throw new BeelineError('USAGE', `"${text}" is not a length of time`, {
      hint: 'Write, for example, 90s, 10m or 2h.',
    });
  }
  return Number(parts[1]) * unit;
}

/** Parses the weight of a real server. @throws InvalidArgumentError */
export function weight(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value <= MAX_WEIGHT)) {
    throw new InvalidArgumentError(`It must be a whole number from 0 to ${MAX_WEIGHT}.`);
  }
  return value;
}
