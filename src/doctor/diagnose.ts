/** From facts to a diagnosis. Pure. */

import type { Check, Part } from './check.js';
import { CHECKS } from './checks/index.js';
import type { Facts } from './facts.js';
import { bySeverity, type Finding, statusOf } from './finding.js';

export interface Diagnosis {
  /** 0 clean, 1 warnings or an examination that failed, 2 errors. */
  readonly status: 0 | 1 | 2;
  readonly findings: readonly Finding[];
  /** What was looked at, in one line each. */
  readonly lookedAt: readonly string[];
  readonly notLookedAt: Facts['notLookedAt'];
}

/** Returns what the chosen checks look at. @param only the names of the checks; default: all */
export function partsFor(only?: readonly string[]): ReadonlySet<Part> {
  return new Set(chosen(only).flatMap(({ reads }) => reads));
}

function chosen(only: readonly string[] | undefined): Check[] {
  return CHECKS.filter(({ name }) => only === undefined || only.includes(name));
}

/** @param only the names of the checks that are to be made; default: all */
export function diagnose(facts: Facts, only?: readonly string[]): Diagnosis {
  const findings = bySeverity(chosen(only).flatMap(({ find }) => find(facts)));
  const found = statusOf(findings);
  const status = found === 0 && facts.isIncomplete === true ? 1 : found;
  return { status, findings, lookedAt: lookedAt(facts), notLookedAt: facts.notLookedAt };
}

function lookedAt({ director, probes, remote }: Facts): string[] {
  const { model, source, configPath } = director;
  const from = {
    daemon: `the daemon's configuration (${configPath})`,
    maps: 'what the pinned maps follow',
    file: configPath,
  };
  return [
    from[source],
    ...(probes === undefined
      ? []
      : [
          `${count(model.services.length, 'service')}, ${count(new Set(probes.vips.map(({ vip }) => vip)).size, 'VIP')}, ` +
            `${count(probes.realServers.length, 'real server')}, ${count(probes.neighbours.length, 'host')} beside them: ` +
            `${count(probes.sent, 'frame')} in ${(probes.ms / 1000).toFixed(1)} s`,
        ]),
    ...(remote === undefined ? [] : [`${remote.length} ${remote.length === 1 ? 'host' : 'hosts'} over SSH`]),
  ];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
