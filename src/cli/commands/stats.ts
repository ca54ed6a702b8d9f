/** `beeline stats`: shows how the packets of each virtual service ended. */

import { Command } from 'commander';

import type { StatsReport } from '../../control/index.js';
import { serviceName, warningText } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { askOrRead, noteUnattended } from '../daemon.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import { type Paint, plain } from '../terminal/colour.js';
import { type Column, formatBytes, formatCount, formatTable } from '../terminal/format.js';

export function statsCommand(): Command {
  const stats = withInstance(new Command('stats'))
    .summary('show packets, bytes and verdicts of each virtual service')
    .description(
      'Show how many packets of each virtual service were sent, and how many were not. --reasons lists why; ' +
        'docs/verdicts.md explains the reasons. Warn of VIPs that no packet can reach.',
    )
    .option('--reasons', 'show why packets were passed up or dropped, a line for each reason')
    .addOption(jsonOption())
    .action(async (options: { json?: true; reasons?: true }, command: Command) => {
      const stats = await askOrRead(command, 'stats', (left) => {
        noteUnattended(left);
        return left.stats();
      });
      printResult(stats, options, (paint) =>
        [options.reasons === true ? formatReasons(stats, paint) : formatStats(stats, paint)]
          .concat((stats.warnings ?? []).map((each) => `${paint('warning', 'warning')}  ${warningText(each)}\n`))
          .join(''),
      );
    });
  return withExamples(stats, ['beeline stats --reasons', 'show why packets for a VIP were not sent']);
}

const STATS_COLUMNS: readonly Column[] = [
  { title: 'SERVICE' },
  { title: 'FLOWS', align: 'right' },
  { title: 'PACKETS', align: 'right' },
  { title: 'BYTES', align: 'right' },
  { title: 'NOT SENT', align: 'right' },
];

const REASON_COLUMNS: readonly Column[] = [
  { title: 'SERVICE' },
  { title: 'REASON' },
  { title: 'PACKETS', align: 'right' },
];

/** The row of packets that are for a VIP but for no service. */
const NO_SERVICE = '(none)';

export function formatStats({ services, noService }: StatsReport, paint: Paint = plain): string {
  const sum = (verdicts: Readonly<Record<string, number>>): string =>
    formatCount(Object.values(verdicts).reduce((total, count) => total + count, 0));
  const rows = services.map((service) => [
    serviceName(service),
    formatCount(service.flows),
    formatCount(service.packets),
    formatBytes(service.bytes),
    sum(service.verdicts),
  ]);
  return formatTable(STATS_COLUMNS, [...rows, [NO_SERVICE, '-', '-', '-', sum(noService)]], '', paint);
}

export function formatReasons({ services, noService }: StatsReport, paint: Paint = plain): string {
  const all = [
    ...services.map((service) => [serviceName(service), service.verdicts] as const),
    [NO_SERVICE, noService] as const,
  ];
  const rows = all.flatMap(([name, verdicts]) =>
    Object.entries(verdicts)
      .sort(([, a], [, b]) => b - a)
      .map(([reason, count]) => [name, reason, formatCount(count)]),
  );
  return rows.length === 0
    ? 'every packet for a VIP was sent or delivered\n'
    : formatTable(REASON_COLUMNS, rows, '', paint);
}
