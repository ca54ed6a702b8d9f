/** `beeline flows`: lists the flow tables page by page, or sums them up. */

import { Command, InvalidArgumentError, Option } from 'commander';

import type { FlowReport, FlowsQuery, FlowsReport, FlowSummary } from '../../control/index.js';
import { type AnyServiceKey, type IpAddress, serviceName } from '../../model/index.js';
import { completes, withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { clients, realServers, services } from '../candidates.js';
import { ask } from '../daemon.js';
import { withInstance } from '../instance.js';
import { address, type ServiceOptions, takeService, withServiceOptions } from '../services.js';
import { inFull, isWhole, matching, onlyMatch, wanted, type Wanted } from '../wanted.js';
import { print, printJsonList, printNote, printResult, stdoutPaint } from '../terminal/print.js';
import { type Paint, plain, type Style } from '../terminal/colour.js';
import {
  type Column,
  formatBytes,
  formatCount,
  formatEndpoint,
  formatQuantity,
  formatShare,
  formatTable,
  formatTimer,
} from '../terminal/format.js';

interface Options extends ServiceOptions {
  readonly service?: Wanted;
  readonly server?: IpAddress;
  readonly client?: IpAddress;
  readonly state?: string;
  readonly limit: number;
  readonly all?: true;
  readonly summary?: true;
  readonly json?: true;
}

const FLOW_STATES = ['SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'TIME_WAIT', 'CLOSE', 'UDP', 'NONE', 'ASSURED'] as const;

/** Flows in a page, with --all. */
const PAGE = 5_000;

export function flowsCommand(): Command {
  const flows = withInstance(new Command('flows'))
    .summary('list the flows in the flow tables')
    .description(
      'List the flows in the flow tables: client, service, real server, state, and the time until the entry expires ' +
        'without a packet. A line with client port 0 is a persistence template: it keeps a client at its real server.',
    )
    .addOption(
      completes(
        new Option('--service <service>', 'only flows of this service: "192.168.1.100:80", "udp 192.168.1.100:53"'),
        services,
      ).argParser(wanted),
    )
    .addOption(
      completes(new Option('--server <address>', 'only flows to this real server'), realServers).argParser(address),
    )
    .addOption(completes(new Option('--client <address>', 'only flows of this client'), clients).argParser(address))
    .addOption(
      completes(new Option('--state <state>', `only flows in this state: ${FLOW_STATES.join(', ')}`), FLOW_STATES),
    )
    .option('--limit <n>', 'list at most this many flows', count, 100)
    .option('--all', 'list all flows')
    .option('--summary', 'show the flows in each state, the clients with the most flows, and the use of the tables')
    .addOption(jsonOption())
    .action(async (options: Options, command: Command) => {
      const { summary, json, all, limit, server, client, state } = options;
      const service = options.service ?? takeService([], options).service;
      const query: FlowsQuery = {
        service: service === undefined ? undefined : serviceName(await serviceOfFlows(command, service)),
        realServer: server,
        client,
        state,
        limit: all === true ? PAGE : limit,
      };
      if (summary === true) {
        const result = await ask(command, 'flowSummary', query);
        printResult(result, options, (paint) => formatSummary(result, paint));
      } else if (json === true) {
        await printJsonList(flowsOf(pages(command, query, all === true)));
      } else {
        await printFlows(pages(command, query, all === true));
      }
    });
  return withExamples(
    withServiceOptions(flows),
    ['beeline flows --summary', 'show how many flows each state has, and which clients have the most'],
    ['beeline flows -t 192.168.1.100:80 --state ESTABLISHED', 'list the first hundred open connections of a service'],
    ['beeline flows --all --json | jq -r ".[].client" | sort | uniq -c', 'count the flows of each client'],
  );
}

/** A service that was removed is in no list, and may have flows still: the daemon knows. */
async function serviceOfFlows(self: Command, service: Wanted): Promise<AnyServiceKey> {
  if (isWhole(service)) {
    return service;
  }
  const all = await ask(self, 'list', {});
  return service.port !== undefined && matching(service, all).length === 0 ? inFull(service) : onlyMatch(service, all);
}

/** Asks for page after page, so that millions of flows need no memory here; for a single page without --all. */
async function* pages(command: Command, query: FlowsQuery, all: boolean): AsyncGenerator<FlowsReport> {
  let from: string | undefined;
  do {
    const page = await ask(command, 'flows', { ...query, from });
    yield page;
    from = page.next;
  } while (all && from !== undefined);
}

async function* flowsOf(reports: AsyncIterable<FlowsReport>): AsyncGenerator<readonly FlowReport[]> {
  for await (const { flows } of reports) {
    yield flows;
  }
}

async function printFlows(reports: AsyncIterable<FlowsReport>): Promise<void> {
  const paint = stdoutPaint();
  let printed = 0;
  let more = false;
  for await (const { flows, next } of reports) {
    print(formatFlows(flows, printed === 0, paint));
    printed += flows.length;
    more = next !== undefined;
  }
  if (printed === 0) {
    print('no flows\n');
  } else if (more) {
    printNote(`only the first ${formatCount(printed)} are shown; --limit or --all shows more\n`);
  }
}

/** Open flows and flows in their handshake stand out; ended ones do not. */
const STATE_STYLES: Readonly<Partial<Record<string, Style>>> = {
  SYN_RECV: 'warning',
  ESTABLISHED: 'good',
  FIN_WAIT: 'faint',
  TIME_WAIT: 'faint',
  CLOSE: 'faint',
};

const COLUMNS: readonly Column[] = [
  { title: 'PROTO', width: 5 },
  { title: 'CLIENT', width: 21 },
  { title: 'SERVICE', width: 21 },
  { title: 'REAL SERVER', width: 15 },
  { title: 'STATE', width: 11, style: (state) => STATE_STYLES[state] },
  { title: 'EXPIRES', align: 'right', width: 7 },
];

export function formatFlows(flows: readonly FlowReport[], titled: boolean, paint: Paint = plain): string {
  const rows = flows.map(
    ({ protocol, client, clientPort, service: name, vip, port, realServer: server, state, expiresSeconds }) => [
      protocol ?? 'ip',
      formatEndpoint(client, clientPort),
      // The template of a mark's service is for all of its VIPs.
      vip === undefined || port === undefined ? name : formatEndpoint(vip, port),
      server,
      state,
      formatTimer(expiresSeconds),
    ],
  );
  const text = rows.length === 0 ? '' : formatTable(COLUMNS, rows, '', paint);
  return titled ? text : text.slice(text.indexOf('\n') + 1);
}

export function formatSummary(summary: FlowSummary, paint: Paint = plain): string {
  const { states, topClients, tables, stored, evicted, refused } = summary;
  const byState = Object.entries(states).sort(([, a], [, b]) => b - a);
  const parts = [
    byState.length === 0
      ? 'no flows\n'
      : formatTable(
          [{ title: 'STATE' }, { title: 'FLOWS', align: 'right' }],
          byState.map(([state, flows]) => [state, formatCount(flows)]),
          '',
          paint,
        ),
  ];
  if (topClients.length > 0) {
    parts.push(
      formatTable(
        [{ title: 'CLIENT' }, { title: 'FLOWS', align: 'right' }],
        topClients.map(({ client, flows }) => [client, formatCount(flows)]),
        '',
        paint,
      ),
    );
  }
  const used = tables.map(
    ({ family, entries, most, used: inUse, full, fullBuckets, bytes }) =>
      `${family}: ${full ? 'full: ' : ''}${formatCount(inUse)} of ${formatCount(entries)} entries in use (${formatShare(inUse / entries)}), ${formatQuantity(fullBuckets, 'bucket')} full; at most ${formatCount(most)} entries, ${formatBytes(bytes)}\n`,
  );
  const totals = `stored ${formatCount(stored)}, evicted ${formatCount(evicted)}, found no room ${formatCount(refused)}\n`;
  return [...parts, used.join('') + totals].join('\n');
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 10000.');
  }
  return value;
}
