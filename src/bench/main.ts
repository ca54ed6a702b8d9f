/** `npm run bench`: runs `beeline bench program` from a checkout, and `npm run bench checks` what health checks cost. */

import { Command } from 'commander';

import { benchChecks, benchProgram, formatCheckCosts, formatReport, programReport, terminalProgress } from './index.js';

const program = new Command('bench')
  .description('Measure what a packet costs, beside XDP programs that do nothing, and how long a change takes.')
  .option('--json', 'print one JSON object instead of a table')
  .option('--rounds <n>', 'how often each path is measured, in turn with the others', positive, 11)
  .option('--repeat <n>', 'packets of one measurement', positive, 1_000_000)
  .action(async ({ json, rounds, repeat }: { json?: true; rounds: number; repeat: number }) => {
    const report = await benchProgram({ rounds, repeat, onProgress: terminalProgress() });
    process.stdout.write(json === true ? `${JSON.stringify(report)}\n` : formatReport(programReport(report)));
  });

program
  .command('checks')
  .description('Measure what 3,000 health checks a second cost, by the addon and by sockets of Node. Needs root.')
  .option('--rate <n>', 'checks a second', positive, 3000)
  .option('--seconds <n>', 'how long each is measured', positive, 10)
  .action(async (options: { rate: number; seconds: number }) => {
    process.stdout.write(formatCheckCosts(await benchChecks(options)));
  });

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1 || value > 2 ** 31 - 1) {
    program.error(`error: "${text}" is not a whole number above 0`, { exitCode: 2 });
  }
  return value;
}

await program.parseAsync();
