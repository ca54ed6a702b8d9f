/** The daemon: starts one director, serves its control socket, and ends it. */

import { once } from 'node:events';

import { type ConfigFile, readConfigFile } from '../config/index.js';
import type { Handlers } from '../control/index.js';
import { ControlServer } from '../control/server.js';
import { DataPlane, DIRECTOR_OBJECT, ensurePinDirectory, EXPLAIN_OBJECT } from '../dataplane/index.js';
import type { Instance } from '../model/index.js';
import { Network, type OnNetworkChange, Resolver } from '../net/index.js';
import { Announcer } from './announcer.js';
import { ConfigurationCommands } from './changes/configuration-commands.js';
import { DrainCommands } from './changes/drain-commands.js';
import { EditCommands } from './changes/edit-commands.js';
import { adoptEarlier } from './changes/earlier-drains.js';
import { UnsavedChanges } from './changes/unsaved-changes.js';
import { Director } from './director.js';
import { HandOver } from './hand-over/index.js';
import { handlersOf } from './handlers.js';
import { HostClients } from './host-clients.js';
import { HealthKeeper } from './health/keeper.js';
import { Lasting } from './lasting.js';
import { InstanceLock } from './lock.js';
import type { Logger } from './log.js';
import { type ServiceManager, serviceManager } from './notify.js';
import { requireFree } from './occupied.js';
import { Offloads } from './offloads.js';
import { MaintenanceCommands } from './maintenance/commands.js';
import { lackText, type LeftVip, Mastership, nobodyTookOver } from './mastership/index.js';
import { preflight } from './preflight.js';
import { logState, logStatistics } from './reports/state.js';
import { RunningFile } from './running-file.js';
import { followSignals } from './signals.js';
import { Stores } from './stores.js';
import { Upkeep } from './upkeep.js';
import { Vips } from './vips.js';
import { Watch } from './watch.js';

/** Links and addresses change in bursts. Routes are looked up once after each burst. */
const RELOCATE_DELAY_MS = 100;

export interface DaemonOptions {
  readonly instance: Instance;
  readonly configPath: string;
  /** Take interfaces over from other XDP programs. */
  readonly replace: boolean;
  /** Switch off what network cards do to frames that hurts the director. */
  readonly setOffloads: boolean;
  /** The version of Beeline. */
  readonly version: string;
  readonly log: Logger;
  /** Returns why the log cannot be written at this moment, as text. */
  readonly logProblem: () => string | undefined;
}

/** The parts of a daemon, from its start to its end. */
interface Parts {
  readonly network: Network;
  readonly resolver: Resolver;
  readonly dataPlane: DataPlane;
  readonly stores: Stores;
  readonly unsaved: UnsavedChanges;
  readonly director: Director;
  readonly health: HealthKeeper;
  readonly hostClients: HostClients;
  readonly mastership: Mastership;
  readonly handOver: HandOver;
}

/**
 * Runs a director until a signal or a command ends it. Forwarding goes on after that, unless the command ended it too.
 *
 * @throws BeelineError if the start fails; then nothing is attached that was not attached before
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { instance, configPath, log } = options;
  preflight();
  const file = readConfigFile(configPath, 'regular');
  let onRound = (): void => undefined;
  let onNetworkChange: OnNetworkChange = () => undefined;
  using network = await Network.open(
    (change, address) => {
      onNetworkChange(change, address);
    },
    {
      onTrouble: (error) => {
        log.warn({ err: error }, 'reading all links, addresses and neighbours again');
      },
    },
  );
  await requireFree(file.model, instance, network, options.replace);
  using lock = new InstanceLock(instance);
  using stores = new Stores(instance, log);
  ensurePinDirectory(instance.pinDirectory);
  lock.lockPins();
  using dataPlane = openDataPlane(options, stores);
  using resolver = new Resolver(network, () => {
    director.touch();
  });
  const health = new HealthKeeper({
    ...{ instance: instance.name, stores, network, log },
    onChange: () => {
      director.touch();
    },
  });
  using hostClients = new HostClients({ network, log, instance });
  const mastership = mastershipOf(options, network, stores, health);
  const handOver = new HandOver({ flows: dataPlane.handOver, version: options.version, log });
  const unsaved = new UnsavedChanges({ store: stores.snapshot, droppedPath: instance.droppedPath, log });
  const director = new Director({
    network,
    resolver,
    dataPlane,
    overlays: health.overlays,
    follow: (model, world) => health.follow(model, world),
    log,
    replace: options.replace,
    watch: watchOf(options, network, dataPlane),
    hostClients,
    upkeep: new Upkeep({ dataPlane, lock, log }),
    onRound: () => {
      health.endRound();
      onRound();
    },
    keep: (desired, changes) => unsaved.record(desired, changes),
    leaveFor: (work) => mastership.leaveFor(work, warnLeaving(log)),
  });
  // No round may come before the first, but that needs to know who answered.
  onNetworkChange = (change, address) => {
    if (change === 'neighbours') {
      resolver.notice(address);
    }
  };
  const parts = { network, resolver, dataPlane, stores, unsaved, director, health, hostClients, mastership, handOver };
  await start(parts, file);
  onNetworkChange = followNetwork(director, resolver);
  // For events that came during the start.
  director.touch();
  await serve(options, parts, (listener) => {
    onRound = listener;
  });
  log.info(farewell(dataPlane));
}

function watchOf({ log, setOffloads }: DaemonOptions, network: Network, dataPlane: DataPlane): Watch {
  return new Watch({ dataPlane, offloads: new Offloads({ network, log, setOffloads }), vips: new Vips(network) });
}

function mastershipOf(
  { instance, log }: DaemonOptions,
  network: Network,
  stores: Stores,
  health: HealthKeeper,
): Mastership {
  return new Mastership({
    ...{ instance, network, store: stores.mastership, healthOf: health.healthOf, log },
    tell: (event) => {
      health.tellEvent(event);
    },
  });
}

/** A reload is not refused for it. */
function warnLeaving(log: Logger): (vips: readonly LeftVip[]) => void {
  return (vips) => {
    log.warn(`the program leaves an interface, and nobody took the VIPs over: ${lackText(vips)}`);
  };
}

function farewell({ attachedTo, endsWithNamespace }: DataPlane): string {
  if (attachedTo.length === 0) {
    return 'stopped';
  }
  return endsWithNamespace
    ? 'stopped; forwarding ends with the mount namespace, which has the BPF file system with the pins'
    : 'stopped; packets are forwarded still, "beeline stop --detach" ends that';
}

function openDataPlane({ instance, log }: DaemonOptions, { histories, timeouts }: Stores): DataPlane {
  return new DataPlane({
    objectPath: DIRECTOR_OBJECT,
    explainPath: EXPLAIN_OBJECT,
    pinDirectory: instance.pinDirectory,
    histories,
    timeouts,
    onEvent: (message, details) => {
      log.info(details, message);
    },
  });
}

/** Runs the first round. If it fails, nothing is attached that was not attached before. */
async function start(parts: Parts, file: ConfigFile): Promise<void> {
  const { director, dataPlane, stores, unsaved, health, mastership } = parts;
  const forwardedBefore = dataPlane.attachedTo.length > 0;
  const begun = unsaved.begin(file);
  const desired = adoptEarlier(begun, stores.earlierDrains.load() ?? []);
  mastership.expect(desired.model);
  try {
    await director.start(desired);
  } catch (error) {
    await director.stop();
    await health.stop();
    if (!forwardedBefore) {
      await removeDataPath(parts);
    }
    throw error;
  }
  await unsaved.confirm(desired, desired.model === begun.model ? 0 : 1);
  if (stores.snapshot.problem === undefined) {
    await stores.earlierDrains.clear();
  }
}

async function removeDataPath({
  dataPlane,
  resolver,
  hostClients,
}: Pick<Parts, 'dataPlane' | 'resolver' | 'hostClients'>): Promise<void> {
  await hostClients.remove();
  await dataPlane.remove();
  await resolver.release();
}

/** Answers requests and signals until one of them ends the daemon, then ends the director. */
async function serve(
  options: DaemonOptions,
  parts: Parts,
  followRounds: (listener: () => void) => void,
): Promise<void> {
  const { instance, configPath, version, log, logProblem } = options;
  const { director, dataPlane, stores, unsaved, health, mastership, handOver } = parts;
  const stopRequest = new AbortController();
  const configurations = new ConfigurationCommands({ director, dataPlane, unsaved, configPath, log });
  const warnings = (): readonly string[] => stores.problems;
  using edits = new EditCommands({
    director,
    dataPlane,
    store: stores.baselines,
    log,
    warnings,
  });
  using running = new RunningFile({ instance, director, configPath, log });
  await running.follow();
  const handlers = handlersOf({
    ...{ version, configPath, director, dataPlane, stores, unsaved, configurations, edits, logProblem },
    drains: new DrainCommands({ director, dataPlane, log, warnings }),
    maintenance: new MaintenanceCommands({ director, health, log, warnings }),
    health,
    mastership,
    handOver,
    stop: stopHandler(parts, edits, running, stopRequest),
  });
  const server = await listen(instance, handlers, log);
  const manager = serviceManagerFor(log);
  const announcer = new Announcer({ director, dataPlane, stores, configurations, mastership, manager });
  const follow = (): void => {
    followRound(parts);
    announcer.update();
  };
  followRounds(follow);
  handOver.onChange = follow;
  mastership.onChange = () => {
    announcer.update();
  };
  followRound(parts);
  const ignoreSignals = followSignals({
    reload: () => announcer.reload(() => configurations.reload({})),
    reportState: async () => {
      logState(log, await handlers.status({}), await handlers.list({}));
    },
    reportStatistics: async () => {
      logStatistics(log, await handlers.status({}), await handlers.stats({}));
    },
    terminate: () => {
      stopRequest.abort();
    },
    log,
  });
  announcer.ready();
  log.info({ pid: process.pid, socket: instance.socketPath }, 'ready');

  if (!stopRequest.signal.aborted) {
    await once(stopRequest.signal, 'abort');
  }
  announcer.stopping();
  await stopParts(parts);
  await edits.stop();
  if (dataPlane.attachedTo.length > 0) {
    await running.stop();
  }
  await server.close();
  manager.stop();
  ignoreSignals();
}

async function stopParts({ mastership, director, handOver, health }: Parts): Promise<void> {
  mastership.stop();
  await director.stop();
  await handOver.stop();
  await health.stop();
}

function serviceManagerFor(log: Logger): ServiceManager {
  const telling = new Lasting(log, 'the service manager can be notified again');
  return serviceManager(
    process.env,
    (error) => {
      telling.fail(error, 'cannot notify the service manager', 'warn');
    },
    () => {
      telling.succeed();
    },
  );
}

/** Ends the director, and forwarding if the command asks for that. */
function stopHandler(
  parts: Parts,
  edits: EditCommands,
  running: RunningFile,
  stopRequest: AbortController,
): Handlers['stop'] {
  const stop = async (detach: boolean): Promise<void> => {
    await parts.director.stop();
    await parts.handOver.stop();
    await edits.stop();
    if (detach) {
      // Before anything else can ask for mastership again.
      await parts.mastership.clear();
      await removeDataPath(parts);
      await parts.health.stop();
      await parts.stores.health.clear();
      await parts.stores.baselines.clear();
      await running.clear();
    }
  };
  return async ({ detach, force = false }) => {
    const work = (): Promise<void> => stop(detach);
    await (detach ? parts.mastership.leaveFor(work, force ? () => undefined : refuseDetach) : work());
    // The reply goes out first.
    setImmediate(() => {
      stopRequest.abort();
    });
    const ends = !detach && parts.dataPlane.endsWithNamespace;
    return { pid: process.pid, detached: detach, ...(ends && { endsWithNamespace: true }) };
  };
}

/** @throws BeelineError `NOBODY_TOOK_OVER` */
function refuseDetach(vips: readonly LeftVip[]): void {
  throw nobodyTookOver(vips);
}

/** Does what follows from a round, and from flows that came from the other director, beside the tables. */
function followRound({ mastership, director, dataPlane, handOver }: Parts): void {
  handOver.follow(director.desired.model.flowHandOver);
  mastership.follow({
    model: director.desired.model,
    interfaces: director.interfaces(),
    services: dataPlane.image === undefined ? undefined : dataPlane.services,
    behind: handOver.behind,
  });
}

function listen({ socketPath }: Instance, handlers: Handlers, log: Logger): Promise<ControlServer> {
  return ControlServer.listen({
    path: socketPath,
    handlers,
    onError: (error) => {
      log.error({ err: error }, 'control socket');
    },
    onWrongClient: (error) => {
      log.warn({ err: error }, 'control socket: a client was refused');
    },
  });
}

/** Returns the listener for changes of the network. */
function followNetwork(director: Director, resolver: Resolver): OnNetworkChange {
  let timer: NodeJS.Timeout | undefined;
  let soon: NodeJS.Immediate | undefined;
  return (change, address) => {
    if (change === 'neighbours') {
      resolver.notice(address);
      return;
    }
    // Once for all events that are read together. A VIP that is gone can wait: packets come here until another director has it.
    soon ??= setImmediate(() => {
      soon = undefined;
      director.noticeVips();
    });
    timer ??= setTimeout(() => {
      timer = undefined;
      void resolver.relocate().finally(() => {
        director.touch();
      });
    }, RELOCATE_DELAY_MS);
  };
}
