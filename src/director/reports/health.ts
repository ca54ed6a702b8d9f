/** Turns what is known of the health of real servers into the reports that commands show. Pure. */

import type {
  CheckRunReport,
  CheckStateReport,
  HealthSummary,
  ServerChecks,
  ServiceChecks,
} from '../../control/index.js';
import { type CheckReport, isAvailable, type NowReport, type ServerHealth, UNITS } from '../../health/rules.js';
import { compareIp } from '../../model/index.js';
import { groupBy } from '../group-by.js';
import type { Disabled, DisabledOf } from '../maintenance/maintenance.js';

/** @param timeOf ISO 8601 of a time in milliseconds since the machine started */
export function reportChecks(
  servers: readonly ServerHealth[],
  quorumLost: readonly string[],
  disabledOf: DisabledOf,
  timeOf: (since: number) => string,
): ServiceChecks[] {
  return [...groupBy(servers, ({ service }) => service)].map(([service, its]) => ({
    service,
    quorum: quorumLost.includes(service) ? 'lost' : 'met',
    realServers: its
      .toSorted((a, b) => compareIp(a.address, b.address))
      .map(({ address, isUp, since, advice, checks }): ServerChecks => ({
        address,
        state: isTakenForUp({ isUp, advice }) ? 'up' : 'down',
        since: timeOf(since),
        ...(advice !== undefined && { advice }),
        ...disabledIn(disabledOf.find(service, address)),
        checks: checks.map((each) => reportCheck(each, timeOf)),
      })),
  }));
}

/** Passes its checks, and its agent does not say that it is down: as "beeline list" has it, but for what operators do. */
function isTakenForUp({ isUp, advice }: Pick<ServerHealth, 'isUp' | 'advice'>): boolean {
  return isAvailable({ isUp, advice, units: UNITS });
}

function disabledIn(disabled: Disabled | undefined): Pick<ServerChecks, 'disabled'> {
  return disabled === undefined ? {} : { disabled: disabled.reason };
}

function reportCheck(
  { label, state, trouble, warning }: CheckReport,
  timeOf: (since: number) => string,
): CheckStateReport {
  const { isUp, since, last, against, heldSince } = state;
  return {
    check: label,
    state: last === undefined ? 'unknown' : isUp ? 'up' : heldSince === undefined ? 'down' : 'held',
    since: timeOf(since),
    ...(last !== undefined && { last }),
    against,
    ...(trouble !== undefined && { trouble }),
    ...(warning !== undefined && { warning }),
  };
}

export function reportRuns(reports: readonly NowReport[]): CheckRunReport[] {
  return reports.map(({ label, outcome, advice, trouble, warning, steps }) => ({
    check: label,
    ...(outcome !== undefined && { result: outcome }),
    ...(advice !== undefined && { advice }),
    ...(trouble !== undefined && { trouble }),
    ...(warning !== undefined && { warning }),
    steps,
  }));
}

/** Nothing is known of what the check is for: it cannot be made. */
function isUnknown({ trouble }: CheckReport): boolean {
  return trouble !== undefined;
}

/** Undefined: no real server is checked. */
export function summarizeHealth(
  servers: readonly ServerHealth[],
  quorumLost: readonly string[],
): HealthSummary | undefined {
  return servers.length === 0 && quorumLost.length === 0
    ? undefined
    : {
        checked: servers.length,
        down: servers.filter((each) => !isTakenForUp(each)).length,
        unknown: servers.filter(({ checks }) => checks.some(isUnknown)).length,
        quorumLost,
      };
}
