/** The daemon: one director, its control socket and its signals, from start to stop. */

import { once } from 'node:events';

import { readConfig } from '../config/index.js';
import {
  ControlServer,
  type DrainReport,
  type Handlers,
  type ReloadReport,
  type StatusReport,
} from '../control/index.js';
import { DataPlane, DIRECTOR_OBJECT, EXPLAIN_OBJECT } from '../dataplane/index.js';
import { BeelineError, type IpAddress } from '../model/index.js';
import { Network, Resolver, type NetworkChange } from '../net/index.js';
import { Director } from './director.js';
import { Drains } from './drains.js';
import { explainFrames } from './explain.js';
import { reportFlows, summarizeFlows } from './flow-report.js';
import type { Instance } from './instance.js';
import { lockInstance } from './lock.js';
import type { Logger } from './log.js';
import { serviceManager } from './notify.js';
import { preflight } from './preflight.js';
import { reportReload, reportServices, reportStats, reportTotals } from './report.js';

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
  const model = readConfig(configPath);
  using _lock = lockInstance(instance);

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
  const director = new Director({ network, resolver, dataPlane, drains, log, replace });
  const removeAll = async (): Promise<void> => {
    dataPlane.remove();
    await resolver.release();
  };

  const forwardedBefore = dataPlane.attachedTo.length > 0;
  try {
    await director.start(model);
  } catch (error) {
    await director.stop();
    if (!forwardedBefore) {
      await removeAll();
    }
    throw error;
  }
  onNetworkChange = followNetwork(director, resolver);
  // For what changed during the start.
  director.touch();

  const stopRequest = new AbortController();
  const manager = serviceManager(process.env, (error) => {
    log.warn({ err: error }, 'cannot notify the service manager');
  });

  const reload = async (): Promise<ReloadReport> => {
    try {
      const before = await director.change(readConfig(configPath));
      const report = reportReload(before, director.model);
      log.info(report, 'reloaded');
      return report;
    } catch (error) {
      log.error({ err: error }, 'the new configuration was refused; the old one goes on');
      throw error;
    }
  };

  const drainState = (service: string, address: IpAddress): DrainReport => {
    const report = drains.report(service, address, director.left(service, address));
    if (report === undefined) {
      throw new BeelineError('NOT_FOUND', `${address} of ${service} is not being drained`);
    }
    return report;
  };
  const notYet = (): never => {
    throw new BeelineError('CONTROL_METHOD', 'this daemon cannot be edited yet');
  };
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
      problems: director.problems,
    }),
    list: () => reportServices(dataPlane.image?.services ?? [], dataPlane.counters(), dataPlane.flowCounts()),
    flows: (query) => reportFlows(dataPlane, query),
    flowSummary: async (query) => summarizeFlows(dataPlane, await director.sweep(), query),
    drain: async ({ service, address, deadlineMs }) => {
      await director.drain(service, address, deadlineMs === undefined ? undefined : Date.now() + deadlineMs);
      return drainState(service, address);
    },
    drainState: ({ service, address }) => drainState(service, address),
    edit: notYet,
    zero: notYet,
    table: notYet,
    explain: (query) => explainFrames(dataPlane, query),
    stats: () => reportStats(dataPlane.image?.services ?? [], dataPlane.counters()),
    reload,
    stop: async ({ detach }) => {
      await director.stop();
      if (detach) {
        await removeAll();
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
    reload().then(
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
