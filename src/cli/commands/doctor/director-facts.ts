/** What a director should do: from its daemon, else from the pinned maps, else from the configuration file. */

import { existsSync } from 'node:fs';

import type { DirectorFacts } from '../../../doctor/index.js';
import { BeelineError, DEFAULT_CONFIG_PATH, type Instance, type Model } from '../../../model/index.js';
import { warningsAbout } from '../../warnings.js';

/** @throws BeelineError what reading the configuration throws, if there is neither daemon nor maps, or a file is named */
export async function directorFacts(config: string | undefined, instance: Instance): Promise<DirectorFacts> {
  if (config === undefined) {
    const running = (await fromDaemon(instance)) ?? (await fromMaps(instance));
    if (running !== undefined) {
      return running;
    }
  }
  const { readConfig } = await import('../../../config/index.js');
  const configPath = config ?? DEFAULT_CONFIG_PATH;
  if (config === undefined && !existsSync(configPath)) {
    throw new BeelineError(
      'CONFIG_UNREADABLE',
      `no director "${instance.name}" runs here, and there is no configuration file ${configPath}`,
      {
        hint:
          'Start it, or name its file: beeline doctor --config FILE. If it has another name: beeline doctor --instance NAME. ' +
          '"beeline init" writes a first configuration.',
      },
    );
  }
  const model = readConfig(configPath);
  const hosts = await hostsOf(model, configPath);
  return { model, source: 'file', configPath, warnings: await warningsAbout(model, [], instance), hosts };
}

async function fromDaemon(instance: Instance): Promise<DirectorFacts | undefined> {
  const { request } = await import('../../../control/index.js');
  const { socketPath } = instance;
  try {
    const [{ model, configPath }, status, services, checks] = await Promise.all([
      request(socketPath, 'model', {}),
      ifKnown(request(socketPath, 'status', {})),
      ifKnown(request(socketPath, 'list', {})),
      ifKnown(request(socketPath, 'checks', {})),
    ]);
    const warnings = await warningsAbout(model, [], instance);
    const [flows, hosts] = [await flowsOf(instance), await hostsOf(model, configPath)];
    return { model, source: 'daemon', configPath, warnings, status, services, checks, flows, hosts };
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'NOT_RUNNING') {
      return undefined;
    }
    throw error;
  }
}

/** Undefined: the daemon is of a version that does not know the method. The doctor does without. */
async function ifKnown<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof BeelineError && error.code === 'CONTROL_METHOD') {
      return undefined;
    }
    throw error;
  }
}

/** Of one client, so many tell where all of them go. */
const SAMPLE = 1_000;

async function flowsOf({ socketPath }: Instance): Promise<DirectorFacts['flows']> {
  const { request } = await import('../../../control/index.js');
  try {
    const summary = await request(socketPath, 'flowSummary', { limit: 1 });
    const client = summary.topClients[0]?.client;
    const { flows } =
      client === undefined ? { flows: [] } : await request(socketPath, 'flows', { client, limit: SAMPLE });
    return { summary, ofTopClient: flows };
  } catch (error) {
    // One check has less to look at.
    if (error instanceof BeelineError) {
      return undefined;
    }
    throw error;
  }
}

/** The other directors that the file serves; none if it cannot be read now: the daemon may run what it was before. */
async function hostsOf({ vrrp }: Model, configPath: string): Promise<NonNullable<DirectorFacts['hosts']>> {
  if (vrrp === undefined) {
    return [];
  }
  const { readOtherHosts } = await import('../../../config/index.js');
  try {
    return readOtherHosts(configPath);
  } catch (error) {
    if (error instanceof BeelineError) {
      return [];
    }
    throw error;
  }
}

async function fromMaps(instance: Instance): Promise<DirectorFacts | undefined> {
  const { Unattended } = await import('../../../director/offline.js');
  using left = Unattended.open(instance);
  if (left === undefined) {
    return undefined;
  }
  const { model, configPath } = left;
  return {
    ...{ model, hosts: await hostsOf(model, configPath) },
    source: 'maps',
    configPath,
    warnings: await warningsAbout(model, [], instance),
    unattended: await left.status(),
    services: left.list(),
  };
}

/** Returns the counters as they are now, of whoever told them before; undefined: nobody did. */
export async function countAgain({ source }: DirectorFacts, instance: Instance): Promise<DirectorFacts['services']> {
  if (source === 'daemon') {
    const { request } = await import('../../../control/index.js');
    return ifKnown(request(instance.socketPath, 'list', {}));
  }
  if (source === 'maps') {
    const { Unattended } = await import('../../../director/offline.js');
    using left = Unattended.open(instance);
    return left?.list();
  }
  return undefined;
}
