/** Text for `beeline diff` and `plan`: differences between configurations, and the slots and flows that they move. Pure. */

import type { DrainKey, PlanReport, ReloadReport, ServicePlan } from '../../control/index.js';
import { type Difference, type Plain, plainText } from '../../model/index.js';
import { type Paint, plain, type Style } from './colour.js';
import { formatEnded, summarizeEnded } from './drains.js';
import { formatCount, formatQuantity } from './format.js';

const SIGNS = { added: '+', removed: '-', changed: '~' } as const;
const STYLES = { added: 'good', removed: 'bad', changed: 'warning' } as const satisfies Record<string, Style>;

interface Line {
  readonly kind?: Difference['kind'];
  readonly subject: string;
  readonly text: string;
}

/** Prints a line for each difference. */
export function formatDifferences(differences: readonly Difference[], paint: Paint = plain): string {
  return formatLines(differences.map(lineOf), paint);
}

/** Prints a line for each difference, and for each drain that ended. */
export function formatChanges(
  { differences = [], endedDrains = [] }: Pick<ReloadReport, 'differences' | 'endedDrains'>,
  paint: Paint = plain,
): string {
  return formatLines([...differences.map(lineOf), ...endedDrains.map(endedLine)], paint);
}

/** Prints a plan without its summary. */
export function formatPlan({ differences, endedDrains = [], services }: PlanReport, paint: Paint = plain): string {
  return formatLines(
    [...differences.map(lineOf), ...endedDrains.map(endedLine), ...services.flatMap(planLines)],
    paint,
  );
}

function endedLine(drain: DrainKey): Line {
  return { subject: drain.service, text: formatEnded(drain) };
}

/** "1 service changed, 1 real server added"; "no changes" */
export function summarize(differences: readonly Difference[]): string {
  const nouns = { setting: 'setting', service: 'service', realServer: 'real server', markRule: 'mark rule' } as const;
  const counts = new Map<string, { what: Difference['what']; kind: Difference['kind']; keys: Set<string> }>();
  for (const { what, kind, service = '', realServer: address = '', field = '', before, after } of differences) {
    const group = counts.get(`${what} ${kind}`) ?? { what, kind, keys: new Set<string>() };
    // A service or a real server counts once, even if several of its fields changed.
    const key = what === 'setting' || what === 'markRule' ? `${field} ${JSON.stringify(after ?? before)}` : '';
    group.keys.add(`${service} ${address} ${key}`);
    counts.set(`${what} ${kind}`, group);
  }
  const parts = [...counts.values()].map(({ what, kind, keys }) => `${formatQuantity(keys.size, nouns[what])} ${kind}`);
  return parts.length === 0 ? 'no changes' : parts.join(', ');
}

/** "33.4 % of slots move (1 service); 0 flows at risk" */
export function summarizePlan({ moved, services, flowsAtRisk, endedDrains = [] }: PlanReport): string {
  const moving = services.filter((service) => service.moved > 0).length;
  const where = moving === 0 ? '' : ` (${formatQuantity(moving, 'service')})`;
  const ended = summarizeEnded(endedDrains);
  return `${formatPercent(moved)} of slots move${where}; ${formatQuantity(flowsAtRisk, 'flow')} at risk${ended}`;
}

function formatLines(lines: readonly Line[], paint: Paint): string {
  const width = Math.max(...lines.map(({ subject }) => subject.length));
  return lines
    .map(({ kind, subject, text }) => {
      const sign = kind === undefined ? ' ' : SIGNS[kind];
      return `${paint(kind && STYLES[kind], `${sign} ${subject.padEnd(width)}   ${text}`)}\n`;
    })
    .join('');
}

function lineOf({ kind, what, service = '', realServer: address = '', field = '', before, after }: Difference): Line {
  const change = `${plainText(before)} -> ${plainText(after)}`;
  switch (what) {
    case 'setting':
      return { kind, subject: field, text: change };
    case 'markRule':
      return { kind, subject: field, text: plainText(after ?? before) };
    case 'service':
      return {
        kind,
        subject: service,
        text: kind === 'changed' ? `${field} ${change}` : formatService(after ?? before),
      };
    case 'realServer':
      return {
        kind,
        subject: service,
        text: kind === 'changed' ? `${address} ${field} ${change}` : formatServer(address, after ?? before),
      };
  }
}

/** The slots that move, and the flows at risk. */
function planLines({ service, slots, moved, kept, breaksUnremembered, atRisk }: ServicePlan): Line[] {
  const stay = kept === 0 ? '' : `; ${formatQuantity(kept, 'flow')} kept`;
  const moves = moved === 0 ? [] : [`${formatPercent(moved)} of ${formatCount(slots)} slots move${stay}`];
  const risks = atRisk.map(
    ({ realServer: address, flows, uncertain }) =>
      `${address}: ${formatQuantity(flows, 'flow')} at risk${uncertain ? ', and those without an entry' : ''}`,
  );
  const breaks = breaksUnremembered
    ? ['connections without an entry break ("track: moved"): the new scheduler or flag does not know where they went']
    : [];
  return [...moves, ...breaks, ...risks].map((text) => ({ subject: service, text }));
}

/** "wlc, 2 real servers" */
function formatService(value: Plain | undefined): string {
  const { scheduler, realServers } = fieldsOf(value);
  const count = Array.isArray(realServers) ? realServers.length : 0;
  return `${plainText(scheduler)}, ${formatQuantity(count, 'real server')}`;
}

/** "192.168.1.33 weight 1, upperThreshold 100" */
function formatServer(address: string, value: Plain | undefined): string {
  const { address: _address, ...rest } = fieldsOf(value);
  const parts = Object.entries(rest).map(([key, each]) => `${key} ${plainText(each)}`);
  return `${address} ${parts.join(', ')}`;
}

function fieldsOf(value: Plain | undefined): Readonly<Record<string, Plain>> {
  return typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, Plain>) : {};
}

/** 0.3336 → "33.4 %"; only 0 is shown as "0 %". */
export function formatPercent(share: number): string {
  const percent = 100 * share;
  return `${percent > 0 && percent < 0.05 ? '< 0.1' : String(Number(percent.toFixed(1)))} %`;
}
