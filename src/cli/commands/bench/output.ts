/** Options and output that all benchmarks share. */

import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { type Command, InvalidArgumentError, Option } from 'commander';

import type { Report } from '../../../bench/index.js';
import { BeelineError } from '../../../model/index.js';
import { completes } from '../../../usage/index.js';
import { jsonOption } from '../../arguments.js';
import { printResult } from '../../terminal/print.js';

export interface OutputOptions {
  readonly json?: true;
  readonly html?: string;
}

export function withOutput(command: Command): Command {
  return command
    .addOption(jsonOption(' instead of a table'))
    .addOption(completes(new Option('--html <file>', 'also write a self-contained page with charts'), 'file'));
}

/** Runs a benchmark. A signal aborts it in order: it removes what it made before the command ends. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    interrupt.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  signals.forEach((name) => process.on(name, onSignal));
  try {
    return await work(interrupt.signal);
  } finally {
    signals.forEach((name) => process.off(name, onSignal));
  }
}

export async function output(raw: object, report: Report, options: OutputOptions): Promise<void> {
  const { html } = options;
  const { formatReport, htmlPage, originOf } = await import('../../../bench/index.js');
  if (html !== undefined) {
    writeFileSync(html, htmlPage(report, new Date(), originOf(process.argv.slice(2))));
  }
  printResult(raw, options, () => formatReport(report));
}

/** Checks before minutes of measuring that the page can be written. @throws BeelineError `USAGE` */
export function requireWritable(html: string | undefined): void {
  if (html === undefined) {
    return;
  }
  try {
    accessSync(dirname(html), constants.W_OK);
  } catch (error) {
    throw new BeelineError('USAGE', `cannot write ${html}`, {
      hint: 'Name a file in an existing folder.',
      cause: error,
    });
  }
}

/** Parses "1000000" or "1e6". @throws InvalidArgumentError */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number above 0.');
  }
  return value;
}
