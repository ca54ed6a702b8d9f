/** The daemon: one director, its control socket and its signals, from start to stop. */

import { once } from 'node:events';
import { rmSync } from 'node:fs';

import { readConfigFile } from '../config/index.js';
import type { DrainReport, Handlers, StatusReport } from '../control/index.js';
import { ControlServer } from '../control/server.js';
import { DataPlane, DIRECTOR_OBJECT, EXPLAIN_OBJECT } from '../dataplane/index.js';
import { BeelineError, type Instance, type IpAddress, type Model } from '../model/index.js';
import { Network, type NetworkChange, Resolver } from '../net/index.js';
import { Changing } from './changes/changes.js';
import { Editing } from './changes/edits.js';
import { RunTime } from './changes/run-time.js';
import { Director } from './director.js';
import { lockInstance } from './lock.js';
import type { Logger } from './log.js';
import { serviceManager } from './notify.js';
import { Drains } from './overlays/drains.js';
import { preflight } from './preflight.js';
import { explainFrames } from './reports/explain.js';
import { reportFlows, summarizeFlows } from './reports/flows.js';
import { reportServices, reportStats, reportTotals } from './reports/services.js';

/** Links and addresses change in bursts; routes are asked for once after each. */
const RELOCATE_DELAY_MS = 100;

export interface DaemonOptions {
  readonly instance: Instance;
  readonly configPath: string;
  /** Take interfaces over from other XDP programs. */
  readonly replace: boolean;
  /** Beeline's own. */
  readonly version: string;
  readonly log: Logger;
}

/**
 * Runs a director until a signal or a command ends it. Packets are forwarded after that, unless the command said
 * otherwise.
 *
 * @throws BeelineError what keeps it from starting; nothing is attached then that was not before
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { instance, configPath, replace, version, log } = options;
  preflight();
  const file = readConfigFile(configPath);
  using _lock = lockInstance(instance);
  using runTime = new RunTime(instance, log);

  let onNetworkChange: (change: NetworkChange) => void = () => undefined;
  using network = await Network.open(
    (change) => {
      onNetworkChange(change);
    },
    {
      onTrouble: (error) => {
        log.warn({ err: error }, 'reading all links, addresses and neighbours anew');
      },
    },
  );
  using dataPlane = new DataPlane({
    objectPath: DIRECTOR_OBJECT,
    explainPath: EXPLAIN_OBJECT,
    pinDirectory: instance.pinDirectory,
    historyPath: instance.historyPath,
    onEvent: (message, details) => {
      log.info(details, message);
    },
  });
  using resolver = new Resolver(network, () => {
    director.touch();
  });
  const drains = new Drains(instance.drainsPath);
  const keep = (changed: Model, changes: number): Promise<void> => runTime.record(changed, changes);
  const director = new Director({ network, resolver, dataPlane, drains, log, replace, keep });
  const removeAll = async (): Promise<void> => {
    dataPlane.remove();
    await resolver.release();
  };

  const forwardedBefore = dataPlane.attachedTo.length > 0;
  const model = runTime.begin(file);
  try {
    await director.start(model);
  } catch (error) {
    await director.stop();
    if (!forwardedBefore) {
      await removeAll();
    }
    throw error;
  }
  await runTime.begun(model);
  onNetworkChange = followNetwork(director, resolver);
  // For what changed during the start.
  director.touch();

  const stopRequest = new AbortController();
  const manager = serviceManager(process.env, (error) => {
    log.warn({ err: error }, 'cannot notify the service manager');
  });

  const changing = new Changing({ director, drains, dataPlane, runTime, configPath, log });
  const drainState = (service: string, address: IpAddress): DrainReport => {
    const report = drains.report(service, address, director.left(service, address));
    if (report === undefined) {
      throw new BeelineError('NOT_FOUND', `${address} of ${service} is not being drained`);
    }
    return report;
  };
  using editing = new Editing({
    director,
    drains,
    dataPlane,
    talliesPath: instance.talliesPath,
    log,
    warnings: () => runTime.problems,
  });
  const startedAt = new Date().toISOString();
  const handlers: Handlers = {
    status: (): StatusReport => ({
      version,
      pid: process.pid,
      startedAt,
      configPath,
      interfaces: director.interfaces(),
      programId: dataPlane.programId,
      generation: dataPlane.generation,
      ...reportTotals(dataPlane.image?.services ?? [], dataPlane.counters()),
      changes: runTime.changes,
      changedSince: runTime.since,
      problems: [...director.problems, ...runTime.problems],
    }),
    list: () => reportServices(dataPlane.image?.services ?? [], dataPlane.counters(), dataPlane.flowCounts()),
    flows: (query) => reportFlows(dataPlane, query),
    flowSummary: async (query) => summarizeFlows(dataPlane, await director.sweep(), query),
    drain: async ({ service, address, deadlineMs }) => {
      await director.drain(service, address, deadlineMs === undefined ? undefined : Date.now() + deadlineMs);
      return drainState(service, address);
    },
    drainState: ({ service, address }) => drainState(service, address),
    ...editing.handlers,
    explain: (query) => explainFrames(dataPlane, query),
    stats: () => reportStats(dataPlane.image?.services ?? [], dataPlane.counters()),
    ...changing.handlers,
    stop: async ({ detach }) => {
      await director.stop();
      editing.stop();
      if (detach) {
        await removeAll();
        rmSync(instance.talliesPath, { force: true });
      }
      // The reply goes out first.
      setImmediate(() => {
        stopRequest.abort();
      });
      return { pid: process.pid, detached: detach };
    },
  };
  const server = await ControlServer.listen({
    path: instance.socketPath,
    handlers,
    onError: (error) => {
      log.error({ err: error }, 'control socket');
    },
    onWrongClient: (error) => {
      log.warn({ err: error }, 'control socket: a client was refused');
    },
  });

  const onHangup = (): void => {
    manager.notify({ RELOADING: '1' });
    changing.reload({}).then(
      () => {
        manager.notify({ READY: '1' });
      },
      // It is in the log, and the old configuration goes on.
      () => {
        manager.notify({ READY: '1', STATUS: 'the last reload was refused' });
      },
    );
  };
  const onTerminate = (): void => {
    stopRequest.abort();
  };
  process.on('SIGHUP', onHangup);
  process.on('SIGTERM', onTerminate);
  process.on('SIGINT', onTerminate);
  manager.notify({ READY: '1', STATUS: `${model.services.length} services` });
  log.info({ pid: process.pid, socket: instance.socketPath }, 'ready');

  if (!stopRequest.signal.aborted) {
    await once(stopRequest.signal, 'abort');
  }
  manager.notify({ STOPPING: '1' });
  await director.stop();
  editing.stop();
  await server.close();
  manager.stop();
  process.off('SIGHUP', onHangup).off('SIGTERM', onTerminate).off('SIGINT', onTerminate);
  const forwarding = dataPlane.attachedTo.length > 0;
  log.info(forwarding ? 'stopped; packets are forwarded still, "beeline stop --detach" ends that' : 'stopped');
}

/** What the loop does about changes of the network. */
function followNetwork(director: Director, resolver: Resolver): (change: NetworkChange) => void {
  let timer: NodeJS.Timeout | undefined;
  return (change) => {
    if (change === 'neighbours') {
      director.touch();
      return;
    }
    timer ??= setTimeout(() => {
      timer = undefined;
      void resolver.relocate().finally(() => {
        director.touch();
      });
    }, RELOCATE_DELAY_MS);
  };
}
