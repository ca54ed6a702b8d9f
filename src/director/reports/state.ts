/** The state as log lines, for SIGUSR1 and SIGUSR2, and as one line, for the service manager. */

import type { ServiceReport, StatsReport, StatusReport } from '../../control/index.js';
import { serviceName } from '../../model/index.js';
import type { Logger } from '../log.js';

/** Logs the state: a line for the director, and one for each interface, service, drain and problem. */
export function logState(log: Logger, status: StatusReport, services: readonly ServiceReport[]): void {
  const all = always(log);
  const { version, pid, startedAt, configPath, programId, generation, changes } = status;
  const { interfaces, drains = [], vrrp, flowHandOver, problems, warnings = [], realServers, unresolved } = status;
  all.info(
    {
      version,
      pid,
      startedAt,
      configPath,
      programId,
      generation,
      changes,
      ...{ services: services.length, realServers, unresolved },
    },
    'state',
  );
  for (const { name, ...rest } of interfaces) {
    all.info({ interface: name, ...rest }, 'state of an interface');
  }
  for (const service of services) {
    const { scheduler, realServers: servers } = service;
    const states = servers.map(({ state }) => state);
    const counts = Object.fromEntries(
      [...new Set(states)].map((state) => [state, states.filter((each) => each === state).length]),
    );
    all.info(
      { service: serviceName(service), scheduler, realServers: servers.length, ...counts },
      'state of a service',
    );
  }
  if (vrrp !== undefined) {
    const { instances, ...rest } = vrrp;
    all.info({ ...rest }, 'state of mastership');
    for (const { name, state, since, priority } of instances) {
      all.info({ name, state, since, priority }, 'state of a virtual router');
    }
  }
  if (flowHandOver !== undefined) {
    all.info({ ...flowHandOver }, 'state of the flow hand-over');
  }
  for (const drain of drains) {
    all.info({ ...drain }, 'state of a drain');
  }
  for (const problem of problems) {
    all.info({ problem }, 'state: a problem');
  }
  for (const { code, message, remedy } of warnings) {
    all.info({ code, message, remedy }, 'state: a warning');
  }
}

/** Logs the counters: a line for the director and one for each service. */
export function logStatistics(log: Logger, status: StatusReport, stats: StatsReport): void {
  const all = always(log);
  const { packets, bytes, verdicts } = status;
  all.info({ packets, bytes, ...verdicts }, 'statistics');
  for (const service of stats.services) {
    const counted = { packets: service.packets, bytes: service.bytes, flows: service.flows };
    all.info({ service: serviceName(service), ...counted, ...service.verdicts }, 'statistics of a service');
  }
}

/** What is asked for is logged whatever the level. */
function always(log: Logger): Logger {
  return log.child({}, { level: 'info' });
}

/** "2 services, 3 real servers (1 unresolved), on ens3; vrrp VI_51 MASTER; interface ens4 is missing" */
export function statusLine(
  { services, realServers, unresolved }: Pick<StatusReport, 'services' | 'realServers' | 'unresolved'>,
  attached: readonly string[],
  problems: readonly string[],
  vrrp: readonly string[] = [],
): string {
  const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
  const servers = `${count(realServers, 'real server')}${unresolved === 0 ? '' : ` (${unresolved} unresolved)`}`;
  const where = attached.length === 0 ? 'attached to no interface' : `on ${attached.join(', ')}`;
  return [`${count(services, 'service')}, ${servers}, ${where}`, ...vrrp, ...problems].join('; ');
}
