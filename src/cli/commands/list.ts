/** `beeline list`: lists the virtual services and their real servers. */

import { Command } from 'commander';

import type { RealServerReport, RealServerState, ServiceReport } from '../../control/index.js';
import { serviceName } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import { type Paint, plain, type Style } from '../terminal/colour.js';
import { type Column, formatBytes, formatCount, formatShare, formatTable } from '../terminal/format.js';

export function listCommand(): Command {
  const list = withInstance(new Command('list'))
    .summary('list the virtual services and their real servers')
    .description(
      'List the virtual services with their real servers: weight, share of the flows, state, flows, packets and bytes.',
    )
    .addOption(jsonOption())
    .action(async (options: { json?: true }, command: Command) => {
      const services = await ask(command, 'list', {});
      printResult(services, options, (paint) => formatServices(services, paint));
    });
  return withExamples(
    list,
    ['beeline list', 'list all services'],
    [
      `beeline list --json | jq '.[].realServers[] | select(.state == "unresolved")'`,
      'list the real servers whose MAC address is not known',
    ],
  );
}

const STATE_STYLES: Readonly<Record<RealServerState, Style>> = {
  up: 'good',
  local: 'good',
  drained: 'warning',
  unresolved: 'bad',
};

const COLUMNS: readonly Column[] = [
  { title: 'REAL SERVER' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'SHARE', align: 'right' },
  { title: 'STATE', style: (state) => STATE_STYLES[state as RealServerState] },
  { title: 'MAC' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'INACTIVE', align: 'right' },
  { title: 'FLOWS', align: 'right' },
  { title: 'PACKETS', align: 'right' },
  { title: 'BYTES', align: 'right' },
];

export function formatServices(services: readonly ServiceReport[], paint: Paint = plain): string {
  if (services.length === 0) {
    return 'no virtual services\n';
  }
  return services.map((service) => formatService(service, paint)).join('\n');
}

function formatService(service: ServiceReport, paint: Paint): string {
  const { scheduler, slots, realServers, verdicts } = service;
  const title = `${paint('name', serviceName(service))}  ${scheduler}${slots === 0 ? '' : `, ${slots} slots`}\n`;
  const reasons = realServers
    .filter(({ reason }) => reason !== undefined)
    .map(({ address, reason }) => `  ${address}: ${reason!}\n`);
  const passed = Object.entries(verdicts).map(
    ([name, count]) => `  not sent, ${name}: ${formatCount(count)} packets\n`,
  );
  const table =
    realServers.length === 0 ? '  no real servers\n' : formatTable(COLUMNS, realServers.map(cells), '  ', paint);
  return [title, table, ...reasons, ...passed].join('');
}

function cells(report: RealServerReport): string[] {
  const { address, weight, share, state, mac, active, inactive, flows, packets, bytes } = report;
  return [
    address,
    String(weight),
    formatShare(share),
    state,
    mac ?? '-',
    formatCount(active),
    formatCount(inactive),
    formatCount(flows),
    formatCount(packets),
    formatBytes(bytes),
  ];
}
