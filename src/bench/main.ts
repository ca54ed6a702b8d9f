/** `npm run bench`: measures the data path and prints a table, or JSON. */

import { availableParallelism, cpus, release } from 'node:os';

import { Command } from 'commander';

import { libbpfVersion } from '../native/system.js';
import { benchPrograms, type ProgramRow } from './program.js';
import { benchPublish, type PublishReport } from './publish.js';

/** Whose figures these are. */
interface Machine {
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  readonly node: string;
  readonly libbpf: string;
}

const program = new Command('bench')
  .description(
    'Measure what a packet costs, against XDP programs that do nothing, and how long a change takes. Compare figures of ' +
      'one run only: machines differ, and from minute to minute.',
  )
  .option('--json', 'print one JSON object instead of a table')
  .option('--rounds <n>', 'how often each path is measured, in turn with the others', positive, 11)
  .option('--repeat <n>', 'packets a measurement', positive, 1_000_000)
  .action(async ({ json, rounds, repeat }: { json?: true; rounds: number; repeat: number }) => {
    const terminal = process.stderr.isTTY;
    const rows = await benchPrograms({
      rounds,
      repeat,
      onProgress: (done, total) => {
        if (terminal) {
          process.stderr.write(done === total ? '\r\x1b[K' : `\r${Math.floor((done / total) * 100)} %`);
        }
      },
    });
    const publish = await benchPublish(rounds);
    const report = { machine: machine(), rounds, repeat, rows, publish };
    process.stdout.write(json === true ? `${JSON.stringify(report)}\n` : table(machine(), rows, publish));
  });

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > 2 ** 31 - 1) {
    program.error(`error: "${text}" is not a whole number above 0`, { exitCode: 2 });
  }
  return value;
}

function machine(): Machine {
  return {
    kernel: release(),
    processor: cpus()[0]?.model ?? 'unknown',
    processors: availableParallelism(),
    node: process.version,
    libbpf: libbpfVersion(),
  };
}

function table(
  { kernel, processor, processors }: Machine,
  rows: readonly ProgramRow[],
  publish: PublishReport,
): string {
  const line = (first: string, ...rest: (string | number)[]): string =>
    `${first.padEnd(22)}${rest.map((cell) => String(cell).padStart(13)).join('')}\n`;
  const { services, destinations, ms, min, max } = publish;
  return (
    `${processor}, ${processors} processors, Linux ${kernel}\n\n` +
    line('nanoseconds a packet', 'median', 'above empty', 'min', 'max', 'flows', 'services', 'destinations') +
    rows
      .map((row) =>
        line(row.path, row.ns, row.aboveEmptyNs, row.min, row.max, row.flows, row.services, row.destinations),
      )
      .join('') +
    `\none weight among ${services} services of ${destinations} destinations, until packets follow: ` +
    `${ms} ms (${min} to ${max})\n`
  );
}

await program.parseAsync();
