/** `beeline list`: lists the virtual services and their real servers. */

import { Command } from 'commander';

import type { RealServerReport, RealServerState, ServiceReport } from '../../control/index.js';
import { BeelineError, serviceName } from '../../model/index.js';
import { withExamples, withSection } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { ask, askOrRead, noteUnattended } from '../daemon.js';
import { withInstance } from '../instance.js';
import { serviceArgument, type ServiceOptions, takeService, withServiceOptions } from '../services.js';
import { matching, noService, type Wanted } from '../wanted.js';
import { formatChecks } from '../terminal/checks.js';
import { printResult } from '../terminal/print.js';
import { type Paint, plain, type Style } from '../terminal/colour.js';
import { type Column, formatBytes, formatCount, formatShare, formatTable } from '../terminal/format.js';

interface Options extends ServiceOptions {
  readonly checks?: true;
  readonly json?: true;
}

export function listCommand(): Command {
  const list = withInstance(new Command('list'))
    .summary('list the virtual services and their real servers')
    .description(
      'List the virtual services with their real servers, or one service, or those of one address: weight, share of the ' +
        'flows, state, flows, packets and bytes.',
    )
    .addArgument(serviceArgument())
    .option('--checks', 'show the health checks of the real servers instead: state, since when, last result')
    .addOption(jsonOption())
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const { service, rest } = takeService([name], options);
      if (rest.length > 0) {
        throw new BeelineError('USAGE', `either -t, -u or ${rest[0]!} names the service`);
      }
      if (options.checks === true) {
        await listChecks(service, options, command);
        return;
      }
      const all = await askOrRead(command, 'list', (left) => {
        noteUnattended(left);
        return left.list();
      });
      const found = service === undefined ? all : matching(service, all);
      if (service !== undefined && found.length === 0) {
        throw noService(service, all);
      }
      printResult(found, options, (paint) => formatServices(found, paint));
    });
  return withSection(
    withExamples(
      withServiceOptions(list),
      ['beeline list', 'list all services'],
      ['beeline list 192.168.1.100', 'list the services of one address'],
      ['beeline list --checks', 'show which real server is down, since when and why'],
      [
        `beeline list --json | jq '.[].realServers[] | select(.state == "unresolved")'`,
        'list the real servers whose MAC address is not known',
      ],
    ),
    'Columns',
    [
      ['WEIGHT', 'its part of the new flows, beside the weights of the others; 0: it takes none'],
      ['SHARE', 'that part in percent: of the slots of the ring, or of the weights'],
      [
        'STATE',
        'up; local: the director itself; drained: weight 0; unresolved: it does not answer ARP or ND; down: it fails its ' +
          'checks, or its agent says so; disabled: by "beeline disable"; ramping: it came back, and its weight grows; standby: a fallback that is ' +
          'not needed; fallback: it takes new flows while the quorum is lost, and those of real servers that are replaced; ' +
          'panic: it fails its checks and is used all the same',
      ],
      ['MAC', 'the address that frames to it get'],
      ['ACTIVE', 'open flows that are remembered now; of UDP none, as in IPVS'],
      ['INACTIVE', 'all other flows that are remembered now'],
      ['FLOWS', "flows that began since the director's maps were made"],
      ['PACKETS, BYTES', 'what was sent to it since then'],
      ['not sent', 'packets of the service that were passed up or dropped, by verdict: see docs/verdicts.md'],
    ],
  );
}

async function listChecks(service: Wanted | undefined, options: Options, command: Command): Promise<void> {
  const all = await ask(command, 'checks', {});
  const names = service && (await namesOf(service, command));
  const found = names === undefined ? all : all.filter(({ service: name }) => names.has(name));
  printResult(found, options, (paint) => formatChecks(found, Date.now(), paint));
}

/** @throws BeelineError `SERVICE_UNKNOWN` */
async function namesOf(service: Wanted, command: Command): Promise<ReadonlySet<string>> {
  const all = await ask(command, 'list', {});
  const found = matching(service, all);
  if (found.length === 0) {
    throw noService(service, all);
  }
  return new Set(found.map(serviceName));
}

const STATE_STYLES: Readonly<Record<RealServerState, Style>> = {
  up: 'good',
  local: 'good',
  drained: 'warning',
  unresolved: 'bad',
  down: 'bad',
  disabled: 'warning',
  ramping: 'warning',
  fallback: 'warning',
  replaced: 'warning',
  standby: 'good',
  panic: 'bad',
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
