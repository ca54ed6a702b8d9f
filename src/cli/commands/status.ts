/** `beeline status`: shows the director's status. */

import { Command } from 'commander';

import type { HandOverDirection, InterfaceReport, StatusReport, UnattendedReport } from '../../control/index.js';
import { isProblem, warningText } from '../../model/index.js';
import { withExamples } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { askOrRead } from '../daemon.js';
import { withInstance } from '../instance.js';
import { printResult } from '../terminal/print.js';
import { type Paint, plain, type Style } from '../terminal/colour.js';
import { formatDrain } from '../terminal/drains.js';
import { formatMaintenance } from '../terminal/maintenance.js';
import {
  formatAbsence,
  formatBytes,
  formatCount,
  formatDuration,
  formatMoment,
  formatQuantity,
} from '../terminal/format.js';

/** The styles of labels that should catch the eye. */
const STYLES: Readonly<Record<string, Style>> = { problem: 'bad', warning: 'warning' };

export function statusCommand(): Command {
  const status = withInstance(new Command('status'))
    .summary("show the director's status")
    .description(
      'Show the daemon, its configuration and the changes that commands made to it, the drains that run, its interfaces, the ' +
        'packets that it forwarded and did not, and problems. While no ' +
        'daemon runs, show since when, whether packets are forwarded all the same, and what the pinned maps counted.',
    )
    .addOption(jsonOption())
    .action(async (options: { json?: true }, command: Command) => {
      const status = await askOrRead(command, 'status', (left) => left.status());
      printResult(status, options, (paint) =>
        'forwarding' in status ? formatUnattended(status, Date.now(), paint) : formatStatus(status, Date.now(), paint),
      );
    });
  return withExamples(
    status,
    ['beeline status', "show the director's status"],
    ['beeline status --json | jq -e ".problems == []"', 'check from a script that there are no problems'],
  );
}

/** @param now milliseconds since 1970 */
export function formatStatus(status: StatusReport, now: number, paint: Paint = plain): string {
  const {
    version,
    pid,
    startedAt,
    configPath,
    removed = [],
    drains = [],
    disabled = [],
    problems,
    warnings = [],
  } = status;
  const { uptimeMs = now - Date.parse(startedAt) } = status;
  return formatLines(
    [
      ['beeline', `${version}, pid ${pid}, up ${formatDuration(uptimeMs)}`],
      ['configuration', `${configPath}${formatChanges(status)}`],
      ...drains.map((each): Line => ['draining', formatDrain(each, now)]),
      ...disabled.map((each): Line => ['disabled', formatMaintenance(each, now)]),
      ...dataPathLines(status, paint),
      ...hostLines(status),
      ...healthLines(status),
      ...vrrpLines(status, now, paint),
      ...handOverLines(status, now, paint),
      ...removed.map(({ service, flows }): Line => [
        'removed',
        `${service}: ${formatQuantity(flows, 'flow')} ${flows === 1 ? 'is' : 'are'} kept until ${flows === 1 ? 'it ends' : 'they end'} or the service is back`,
      ]),
      ...unresolvedLines(status),
      ...problems.map((problem): Line => ['problem', problem]),
      ...warnings.filter((each) => !isProblem(each)).map((each): Line => ['warning', warningText(each)]),
    ],
    paint,
  );
}

/** The status while no daemon listens. @param now milliseconds since 1970 */
export function formatUnattended(status: UnattendedReport, now: number, paint: Paint = plain): string {
  const { configPath, forwarding, unattendedSince: since, problems } = status;
  return formatLines(
    [
      ['beeline', formatAbsence(since, now)],
      ['configuration', `${configPath}: "beeline run ${configPath}" goes on with it`],
      ['forwarding', forwarding ? 'goes on, as the daemon left it' : paint('bad', 'has ended')],
      ...dataPathLines(status, paint),
      ...unresolvedLines(status),
      ...problems.map((problem): Line => ['problem', problem]),
    ],
    paint,
  );
}

type Line = readonly [label: string, text: string];

function formatLines(lines: readonly Line[], paint: Paint): string {
  return lines
    .map(([label, text]) => `${paint(STYLES[label] ?? 'faint', label)}${' '.repeat(15 - label.length)}${text}\n`)
    .join('');
}

/** Whose own connections reach the VIPs, and how real servers see them. */
function hostLines({ hostClients }: StatusReport): Line[] {
  return hostClients === undefined
    ? []
    : [
        [
          'this host',
          `reaches its VIPs by ${hostClients.interface}, from ${hostClients.addresses.join(' and ')}` +
            (hostClients.bridges === undefined ? '' : `; so do containers of ${hostClients.bridges.join(', ')}`),
        ],
      ];
}

function dataPathLines(status: StatusReport | UnattendedReport, paint: Paint): Line[] {
  const { interfaces, programId, generation, services, realServers, packets, bytes, verdicts } = status;
  const passed = Object.entries(verdicts)
    .map(([name, count]) => `${name} ${formatCount(count)}`)
    .join(', ');
  return [
    ...interfaces.map((each): Line => ['interface', formatInterface(each, paint)]),
    ['program', `id ${programId ?? '?'}, configuration ${formatCount(generation)} since its maps were made`],
    ['services', `${formatCount(services)}, with ${formatQuantity(realServers, 'real server')}`],
    ['forwarded', `${formatCount(packets)} packets, ${formatBytes(bytes)}`],
    ['not sent', passed === '' ? 'nothing that was for a VIP' : passed],
  ];
}

/** The most services that are named. */
const FEW = 5;

function healthLines({ health }: StatusReport): Line[] {
  if (health === undefined) {
    return [];
  }
  const { checked, down, unknown, quorumLost } = health;
  const all = `${formatQuantity(checked, 'real server')} checked`;
  const up = unknown === 0 ? `${all}, all up` : `${all}, none down`;
  return [
    ['health', down === 0 ? up : `${all}, ${formatCount(down)} down: see "beeline list --checks"`],
    ...(unknown === 0
      ? []
      : [
          [
            'problem',
            `${formatQuantity(unknown, 'real server')} cannot be checked: see "beeline list --checks"`,
          ] as const,
        ]),
    ...(quorumLost.length > FEW
      ? [
          [
            'problem',
            `${formatCount(quorumLost.length)} services have lost their quorum: see "beeline list --checks"`,
          ] as const,
        ]
      : quorumLost.map((service): Line => ['problem', `${service}: the quorum is lost`])),
  ];
}

function vrrpLines({ vrrp }: StatusReport, now: number, paint: Paint): Line[] {
  if (vrrp === undefined) {
    return [];
  }
  const { mayBeMaster, reasons, instances } = vrrp;
  const why = reasons.length === 0 ? '' : `: ${reasons.join('; ')}`;
  const may = mayBeMaster ? `this director may be master${why}` : `${paint('bad', 'may not be master')}${why}`;
  return [
    ...instances.map(({ name, state, since, priority, addresses }): Line => {
      const here = addresses.filter((each) => each.here).map(({ address }) => address);
      const parts = [
        ...(since === undefined ? [] : [`for ${formatDuration(now - Date.parse(since))}`]),
        ...(priority === undefined ? [] : [`priority ${priority}`]),
        here.length === 0
          ? 'no VIP here'
          : here.length > FEW
            ? `${formatCount(here.length)} VIPs here`
            : `${here.join(', ')} here`,
      ];
      return ['vrrp', `${name} ${state}, ${parts.join(', ')}`];
    }),
    ['mastership', may],
  ];
}

/** Whom this director tells of its flows, and who tells it. */
function handOverLines({ flowHandOver }: StatusReport, now: number, paint: Paint): Line[] {
  if (flowHandOver === undefined) {
    return [];
  }
  const { peer, protection, sending, receiving } = flowHandOver;
  const part = (verb: string, { since, flows, skipped }: HandOverDirection): string => {
    const left = skipped === 0 ? '' : `, ${formatCount(skipped)} skipped`;
    return since === undefined
      ? paint('bad', `${verb} nothing`)
      : `${verb} for ${formatDuration(now - Date.parse(since))} (${formatQuantity(flows, 'flow')}${left})`;
  };
  const way = protection === 'tls' ? 'TLS' : 'without TLS';
  return [['hand-over', `with ${peer} (${way}): ${part('tells', sending)}, ${part('takes', receiving)}`]];
}

function unresolvedLines({ unresolved }: Pick<StatusReport, 'unresolved'>): Line[] {
  const text = `${formatQuantity(unresolved, 'real server')} ${unresolved === 1 ? 'is' : 'are'} unresolved: see "beeline list"`;
  return unresolved === 0 ? [] : [['problem', text]];
}

/** ", and 3 changes by commands since …: see "beeline diff"" */
function formatChanges({ changes = 0, changedSince }: StatusReport): string {
  return changedSince === undefined
    ? ''
    : `, and ${formatQuantity(changes, 'change')} by commands since ${formatMoment(changedSince)}: see "beeline diff"`;
}

function formatInterface({ name, state, mode, mac, reason }: InterfaceReport, paint: Paint): string {
  const what = state === 'attached' ? `${mode ?? 'unknown'} mode, ${mac ?? ''}` : paint('bad', state);
  return `${name}, ${what}${reason === undefined ? '' : ` (${reason})`}`;
}
