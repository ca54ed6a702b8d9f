/** `beeline bench`: measures the data path, alone and beside other directors. */

import { Command } from 'commander';

import { exitsWith, withExamples } from '../../../usage/index.js';
import { ExitStatus } from '../../exit-status.js';
import { forwardCommand } from './forward.js';
import { latencyCommand } from './latency.js';
import { programCommand } from './program.js';

export function benchCommand(): Command {
  const bench = new Command('bench')
    .summary('measure the data path on this machine')
    .description(
      'Measure the data path on this machine: the cost of a packet, packets per second, and the time of a request. ' +
        'Compare figures of the same run only: they differ between machines, and from minute to minute.',
    );
  for (const command of [programCommand(), forwardCommand(), latencyCommand()]) {
    bench.addCommand(command.copyInheritedSettings(bench));
  }
  return exitsWith(
    withExamples(
      bench,
      ['beeline bench program', 'measure the nanoseconds per packet, path by path'],
      ['beeline bench forward --html forward.html', 'compare with other directors, and write a page with charts'],
      ['beeline bench latency --requests 200', 'measure quickly what the director adds to a round trip'],
    ),
    ExitStatus.interrupted,
  );
}
