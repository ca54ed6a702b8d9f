/** `beeline bench latency`: round trips of small requests, with and without the director. */

import { Command } from 'commander';

import { interruptible, output, type OutputOptions, requireWritable, wholeNumber, withOutput } from './output.js';

interface Options extends OutputOptions {
  readonly rounds: number;
  readonly requests: number;
  readonly bytes: number;
}

export function latencyCommand(): Command {
  return withOutput(new Command('latency'))
    .summary('measure round trips of small requests')
    .description(
      'Measure round trips of small requests in a lab: by turns straight to a real server, and to the same real server ' +
        'through the director.',
    )
    .option('--rounds <n>', 'measure this many times, each time on new connections', wholeNumber, 9)
    .option('--requests <n>', 'requests of each round, for either path', wholeNumber, 2000)
    .option('--bytes <n>', 'length of a request and of its answer', wholeNumber, 64)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const { html, rounds, requests, bytes } = options;
  requireWritable(html);
  const bench = await import('../../../bench/index.js');
  const report = await interruptible((signal) =>
    bench.benchLatency({ rounds, requests, bytes, onProgress: bench.terminalProgress(), signal }),
  );
  const machine = bench.machine();
  await output({ machine, ...report }, bench.latencyReport(report, machine), options);
}
