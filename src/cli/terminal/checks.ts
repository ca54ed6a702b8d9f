/** Text about health checks: the state of each, and one made now, step by step. Pure. */

import type {
  AdviceReport,
  CheckResultReport,
  CheckRunReport,
  CheckStateReport,
  CheckStepReport,
  ServiceChecks,
} from '../../control/index.js';
import { type Paint, plain, type Style } from './colour.js';
import { type Column, formatDuration, formatQuantity, formatTable } from './format.js';

const STYLES: Readonly<Record<CheckStateReport['state'], Style>> = {
  up: 'good',
  down: 'bad',
  held: 'bad',
  unknown: 'warning',
};

const COLUMNS: readonly Column[] = [
  { title: 'REAL SERVER' },
  { title: 'CHECK' },
  { title: 'STATE', style: (state) => STYLES[state as CheckStateReport['state']] },
  { title: 'FOR' },
  { title: 'LAST RESULT' },
];

/** @param now milliseconds since 1970 */
const ADVISERS: Readonly<Record<NonNullable<AdviceReport['source']>, string>> = {
  agent: 'its agent',
  file: 'its file',
  both: 'its agent or file',
};

export function formatChecks(services: readonly ServiceChecks[], now: number, paint: Paint = plain): string {
  return services.length === 0
    ? 'no real server is checked\n'
    : services.map((service) => formatService(service, now, paint)).join('\n');
}

function formatService({ service, quorum, realServers }: ServiceChecks, now: number, paint: Paint): string {
  const down = realServers.filter(({ state }) => state === 'down').length;
  const disabled = realServers.filter((each) => each.disabled !== undefined).length;
  const state = [
    down === 0 ? 'all up' : paint('bad', `${down} of ${realServers.length} down`),
    ...(disabled === 0 ? [] : [paint('warning', `${disabled} disabled`)]),
    ...(quorum === 'met' ? [] : [paint('bad', 'the quorum is lost')]),
  ].join(', ');
  const rows = realServers.flatMap(({ address, checks }) =>
    checks.map((each, i) => [
      i === 0 ? address : '',
      each.check,
      each.state,
      formatDuration(now - Date.parse(each.since)),
      formatLast(each),
    ]),
  );
  const notes = realServers.flatMap(({ address, advice, disabled: why, checks }) => [
    ...(why === undefined ? [] : [`  ${address}: ${why}\n`]),
    ...(advice === undefined
      ? []
      : [`  ${address}: ${ADVISERS[advice.source ?? 'agent']} says ${formatAdvice(advice)}\n`]),
    ...checks.flatMap(({ check, trouble, warning }) => [
      ...(trouble === undefined ? [] : [`  ${address}: ${check} cannot be made: ${trouble}\n`]),
      ...(warning === undefined ? [] : [`  ${address}: ${check}: ${warning}\n`]),
    ]),
  ]);
  return `${paint('name', service)}  ${state}\n${formatTable(COLUMNS, rows, '  ', paint)}${notes.join('')}`;
}

/** "L7 status 503, 12 ms, 2 in a row" */
function formatLast({ last, against }: CheckStateReport): string {
  if (last === undefined) {
    return 'none yet';
  }
  return against === 0 ? formatResult(last) : `${formatResult(last)}, ${against} in a row`;
}

/** "L7 status 503, 12 ms" */
export function formatResult({ layer, words, ms }: CheckResultReport): string {
  return `${layer} ${words}, ${formatMs(ms)}`;
}

function formatMs(ms: number): string {
  return `${ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)} ms`;
}

/** "drain, weight 20, 50 %" */
export function formatAdvice({ state, weight, percent }: AdviceReport): string {
  return [
    ...(state === undefined ? [] : [state]),
    ...(weight === undefined ? [] : [`weight ${weight}`]),
    ...(percent === undefined ? [] : [`${percent} % of its weight`]),
  ].join(', ');
}

/** Each check with its steps, and what came of it. */
export function formatRuns(runs: readonly CheckRunReport[], paint: Paint = plain): string {
  return runs.map((run) => formatRun(run, paint)).join('');
}

function formatRun({ check, result, advice, trouble, warning, steps }: CheckRunReport, paint: Paint): string {
  const verdict =
    result === undefined
      ? []
      : [`${paint(result.passed ? 'good' : 'bad', result.passed ? 'passes' : 'fails')}: ${formatResult(result)}`];
  const lines = [
    ...steps.map(formatStep),
    ...verdict,
    ...(advice === undefined ? [] : [`says ${formatAdvice(advice)}`]),
    ...(trouble === undefined ? [] : [`${paint('warning', 'cannot be made')}: ${trouble}`]),
    ...(warning === undefined ? [] : [`${paint('warning', 'warning')}: ${warning}`]),
  ];
  return `${paint('name', check)}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** "/health: connected after 0.4 ms, sent 85 bytes, received 231 bytes, status 200; ok after 1.2 ms" */
function formatStep({ request, outcome, sent, received, connectMs, totalMs, httpStatus }: CheckStepReport): string {
  const what = [
    ...(connectMs === undefined ? [] : [`connected after ${formatMs(connectMs)}`]),
    ...(sent === 0 ? [] : [`sent ${formatQuantity(sent, 'byte')}`]),
    ...(received === 0 ? [] : [`received ${formatQuantity(received, 'byte')}`]),
    ...(httpStatus === undefined ? [] : [`status ${httpStatus}`]),
  ];
  const start = request === undefined ? '' : `${request}: `;
  return `${start}${what.length === 0 ? '' : `${what.join(', ')}; `}${outcome} after ${formatMs(totalMs)}`;
}
