/** `npm run bench`: measures the data path and prints a table, or JSON. */

import { Command } from 'commander';

import { benchPrograms, type ProgramRow } from './program.js';

const program = new Command('bench')
  .description('Measure what a packet costs, against programs that do nothing.')
  .option('--json', 'print one JSON object instead of a table')
  .option('--rounds <n>', 'how often each path is measured', Number, 11)
  .option('--repeat <n>', 'packets a measurement', Number, 1_000_000)
  .action(async ({ json, rounds, repeat }: { json?: true; rounds: number; repeat: number }) => {
    const rows = await benchPrograms({ rounds, repeat });
    process.stdout.write(json ? `${JSON.stringify({ rows })}\n` : table(rows));
  });

function table(rows: readonly ProgramRow[]): string {
  const line = (cells: readonly string[]): string =>
    `${cells[0]!.padEnd(18)}${cells
      .slice(1)
      .map((cell) => cell.padStart(9))
      .join('')}\n`;
  return (
    line(['path', 'ns', 'above', 'min', 'max']) +
    rows.map((row) => line([row.path, ...[row.ns, row.aboveEmptyNs, row.min, row.max].map(String)])).join('')
  );
}

await program.parseAsync();
