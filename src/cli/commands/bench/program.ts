/** `beeline bench program`: what a packet costs the XDP program. */

import { Command } from 'commander';

import { BeelineError } from '../../../model/index.js';
import { output, type OutputOptions, requireWritable, wholeNumber, withOutput } from './output.js';

interface Options extends OutputOptions {
  readonly services?: number;
  readonly destinations?: number;
  readonly flows?: number;
  readonly rounds: number;
  readonly repeat: number;
}

/** BPF_PROG_RUN's `repeat` is an int. */
const MOST_PACKETS = 2 ** 31 - 1;

export function programCommand(): Command {
  return withOutput(new Command('program'))
    .summary('measure nanoseconds per packet')
    .description(
      'Measure what a packet costs the XDP program, path by path, beside XDP programs that do nothing. Also measure how ' +
        'long it takes to change the configuration and to read the counters. Sends nothing.',
    )
    .option('--services <n>', 'measure with this number of services instead of the standard sizes', wholeNumber)
    .option('--destinations <n>', 'real servers of each service', wholeNumber)
    .option('--flows <n>', 'different flows among the packets, a power of two', wholeNumber)
    .option('--rounds <n>', 'measure each path this many times, in turn with the others', wholeNumber, 11)
    .option('--repeat <n>', 'packets of one measurement', wholeNumber, 1_000_000)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const { html, services, destinations, flows, rounds, repeat } = options;
  requireWritable(html);
  if (repeat > MOST_PACKETS) {
    throw new BeelineError('USAGE', `--repeat must be at most ${MOST_PACKETS}`);
  }
  const { benchProgram, programReport, terminalProgress } = await import('../../../bench/index.js');
  const sized = services ?? destinations ?? flows;
  const ask =
    sized === undefined
      ? undefined
      : { services: services ?? 1, destinations: destinations ?? 10, flows: flows ?? 1 << 20 };
  const report = await benchProgram({ rounds, repeat, size: ask, onProgress: terminalProgress() });
  await output(report, programReport(report), options);
}
