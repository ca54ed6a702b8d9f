/** The doctor's findings as text. */

import type { Diagnosis, Finding, Severity } from '../../../doctor/index.js';
import type { Paint, Style } from '../../terminal/colour.js';
import { formatQuantity } from '../../terminal/format.js';

const STYLES: Readonly<Record<Severity, Style>> = { error: 'bad', warning: 'warning', note: 'faint' };
const WIDTH = 9;
const INDENT = ' '.repeat(WIDTH);

export function formatDiagnosis(diagnosis: Diagnosis, paint: Paint): string {
  const { findings, lookedAt, notLookedAt } = diagnosis;
  return [
    ...findings.map((each) => `${formatFinding(each, paint)}\n`),
    ...lookedAt.map((each) => `${paint('faint', 'looked at'.padEnd(WIDTH))} ${each}\n`),
    ...notLookedAt.map(({ what, why }) => `${paint('warning', 'not seen'.padEnd(WIDTH))} ${what}: ${why}\n`),
    `${summary(diagnosis, paint)}\n`,
  ].join('');
}

export function formatFinding({ severity, text, evidence, why, mend, check }: Finding, paint: Paint): string {
  return [
    `${paint(STYLES[severity], severity.padEnd(WIDTH))}${text}`,
    ...evidence.map((each) => `${INDENT}${paint('faint', 'seen')}  ${each}`),
    `${INDENT}${paint('faint', 'why')}   ${why}`,
    ...mend.map((each) => `${INDENT}${paint('faint', 'mend')}  ${placeOf(each)}${paint('name', each.command)}`),
    `${INDENT}${paint('faint', 'more')}  beeline doctor --about ${check}`,
    '',
  ].join('\n');
}

function placeOf({ on, host }: Finding['mend'][number]): string {
  const preposition = on === 'configuration' ? 'in' : 'on';
  return on === 'director' && host === undefined
    ? ''
    : `${preposition} ${host === undefined ? `the ${on}` : `${on} ${host}`}: `;
}

function summary({ findings, status }: Diagnosis, paint: Paint): string {
  const count = (severity: Severity): number => findings.filter((each) => each.severity === severity).length;
  const parts = (['error', 'warning', 'note'] as const).flatMap((severity) =>
    count(severity) === 0 ? [] : [paint(STYLES[severity], formatQuantity(count(severity), severity))],
  );
  const isFailed = status !== 0 && findings.every(({ severity }) => severity === 'note');
  if (isFailed) {
    parts.push(paint('warning', 'the network could not be asked'));
  }
  return parts.length === 0 ? paint('good', 'nothing is wrong') : parts.join(', ');
}

/** A line of --watch. */
export function formatChange(
  { at, change, finding }: { readonly at: string; readonly change: 'found' | 'gone'; readonly finding: Finding },
  paint: Paint,
): string {
  const style = change === 'gone' ? 'good' : STYLES[finding.severity];
  const mend =
    change === 'gone' ? [] : finding.mend.map((each) => `${INDENT}${placeOf(each)}${paint('name', each.command)}\n`);
  return `${at}  ${paint(style, change)}  ${finding.severity}: ${finding.text}\n${mend.join('')}`;
}
