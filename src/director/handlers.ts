/** The table of the daemon's methods: each request of the control socket, and what answers it. */

import type { Handlers, InterfaceReport, StatusReport } from '../control/index.js';
import type { DataPlane } from '../dataplane/index.js';
import { isProblem, warningText } from '../model/index.js';
import { bootTimeMs } from '../native/index.js';
import type { ConfigurationCommands } from './changes/configuration-commands.js';
import type { DrainCommands } from './changes/drain-commands.js';
import type { EditCommands } from './changes/edit-commands.js';
import type { UnsavedChanges } from './changes/unsaved-changes.js';
import { isoOf } from './clock.js';
import type { Director } from './director.js';
import type { HandOver } from './hand-over/index.js';
import type { HealthKeeper } from './health/keeper.js';
import { type MaintenanceCommands, reportMaintenance, requireRealServer } from './maintenance/commands.js';
import type { Mastership } from './mastership/index.js';
import { reportDrains } from './reports/drains.js';
import { reportForwarded } from './reports/forwarded.js';
import { explainFrames } from './reports/explain.js';
import { reportFlows, summarizeFlows } from './reports/flows.js';
import { reportChecks, reportRuns, summarizeHealth } from './reports/health.js';
import { reportServices, reportStats, reportTotals } from './reports/services.js';
import type { Stores } from './stores.js';

export interface HandlerOptions {
  readonly version: string;
  readonly configPath: string;
  readonly director: Director;
  readonly dataPlane: DataPlane;
  readonly stores: Stores;
  readonly unsaved: UnsavedChanges;
  readonly configurations: ConfigurationCommands;
  readonly drains: DrainCommands;
  readonly edits: EditCommands;
  readonly maintenance: MaintenanceCommands;
  readonly health: Pick<HealthKeeper, 'maintenances' | 'all' | 'quorumLost' | 'checkNow'>;
  readonly mastership: Pick<Mastership, 'report' | 'warnings' | 'problems' | 'giveUp' | 'take'>;
  readonly handOver: Pick<HandOver, 'report' | 'problems'>;
  /** Returns why the log cannot be written, as text. */
  readonly logProblem: () => string | undefined;
  readonly stop: Handlers['stop'];
}

export function handlersOf(options: HandlerOptions): Handlers {
  const { director, dataPlane, configurations, drains, edits, maintenance, health, mastership, stop } = options;
  const startedAt = new Date().toISOString();
  const startedMs = bootTimeMs();
  return {
    status: () => statusOf(options, { startedAt, uptimeMs: bootTimeMs() - startedMs }),
    list: () => reportServices(dataPlane.services, dataPlane.counters(), dataPlane.flowCounts()),
    checks: () => reportChecks(health.all(), health.quorumLost, health.maintenances, isoOf),
    checkServer: async ({ service, realServer }) => {
      requireRealServer(director.desired.model, service, realServer);
      return reportRuns(await health.checkNow(service, realServer));
    },
    stats: async () => {
      const warnings = (await director.warnings()).filter(({ vip }) => vip !== undefined);
      return { ...reportStats(dataPlane.services, dataPlane.counters()), warnings };
    },
    forwarded: () => reportForwarded(options.version, director.desired.model, dataPlane.services),
    flows: (query) => reportFlows(dataPlane, query),
    flowSummary: async (query) => summarizeFlows(dataPlane, await director.sweep(), query),
    explain: (query) => explainFrames(dataPlane, query),
    ...configurations.handlers,
    ...drains.handlers,
    ...edits.handlers,
    ...maintenance.handlers,
    failover: ({ take, force }) => (take ? mastership.take() : mastership.giveUp(force)),
    stop,
  };
}

async function statusOf(
  options: HandlerOptions,
  times: Pick<StatusReport, 'startedAt' | 'uptimeMs'>,
): Promise<StatusReport> {
  const { version, configPath, director, dataPlane, stores, unsaved, mastership, handOver } = options;
  const drains = reportDrains(director.desired.drains, dataPlane);
  const disabled = options.health.maintenances.all.map(reportMaintenance);
  const warnings = [...(await director.warnings()), ...mastership.warnings()];
  const interfaces = director.interfaces();
  const logProblem = options.logProblem();
  return {
    version,
    pid: process.pid,
    ...times,
    configPath,
    interfaces,
    hostClients: director.hostClients,
    programId: dataPlane.programId,
    generation: dataPlane.generation,
    ...reportTotals(dataPlane.services, dataPlane.counters()),
    removed: removedServices(dataPlane),
    changes: unsaved.count,
    changedSince: unsaved.since,
    drains: drains.length === 0 ? undefined : drains,
    disabled: disabled.length === 0 ? undefined : disabled,
    health: summarizeHealth(options.health.all(), options.health.quorumLost),
    vrrp: mastership.report(),
    flowHandOver: handOver.report,
    problems: [
      ...director.problems,
      ...interfaces.flatMap(problemOf),
      ...warnings.filter(isProblem).map(warningText),
      ...director.fullTables,
      ...stores.problems,
      ...stores.damage,
      ...mastership.problems,
      ...handOver.problems,
      ...(logProblem === undefined ? [] : [logProblem]),
    ],
    warnings,
  };
}

/** Another program may have taken an interface since the last round; the next one tries to get it back, or fails. */
function problemOf({ name, state }: InterfaceReport): string[] {
  return state === 'failed' ? [`${name}: the XDP program is not attached, and packets are not forwarded`] : [];
}

/** Returns the services that were removed and have flows still; undefined if there are none. */
function removedServices({ ghostFlows }: DataPlane): StatusReport['removed'] {
  const removed = [...ghostFlows].flatMap(([service, flows]) => (flows === 0 ? [] : [{ service, flows }]));
  return removed.length === 0 ? undefined : removed;
}
