/** The warnings of "beeline check": from the configurations, from this host's network cards, and from its daemon. */

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

import {
  allServices,
  BeelineError,
  directorsAsRealServers,
  handOverWarnings,
  healthWarnings,
  type Instance,
  type Model,
  realServersOf,
  serviceName,
  vrrpWarnings,
  type Warning,
  warningText,
} from '../model/index.js';
import { missingFiles } from './check-files.js';
import { keepalivedWarnings } from './check-keepalived.js';

/**
 * Returns the warnings about a configuration, as far as can be seen from here: all without a daemon, without root, and on
 * another host.
 *
 * @param others configurations of other directors on the same networks
 */
export async function warningsAbout(model: Model, others: readonly Model[], instance: Instance): Promise<Warning[]> {
  const directors = new Set([model, ...others].flatMap((each) => each.directors ?? []));
  const own = new Set(Object.values(networkInterfaces()).flatMap((each = []) => each.map(({ address }) => address)));
  const found = [
    ...directorsAsRealServers(realServersOf(model, own), directors),
    ...healthWarnings(model),
    ...missingFiles(model),
    ...(await fromCards(model)),
    ...vrrpWarnings(model),
    ...handOverWarnings(model),
    ...(await keepalivedWarnings(model, instance)),
    ...(await fromDaemon(model, instance.socketPath)),
  ];
  return [...new Map(found.map((each) => [warningText(each), each])).values()];
}

async function fromCards(model: Model): Promise<Warning[]> {
  const here = readFileSync('/proc/net/dev', 'utf8');
  if (!model.interfaces.some((name) => here.includes(` ${name}:`) || here.includes(`\n${name}:`))) {
    return [];
  }
  const { hostWarnings } = await import('../director/index.js');
  return hostWarnings(model);
}

/** Returns what the running director warns of that the configuration has too: it knows MACs, and who sends what back. */
async function fromDaemon(model: Model, socketPath: string): Promise<Warning[]> {
  const { request } = await import('../control/index.js');
  try {
    const { warnings = [] } = await request(socketPath, 'status', {});
    return warnings.filter((warning) => isAbout(model, warning));
  } catch (error) {
    // No daemon, none that this user may ask, or one of another version: the file is checked all the same.
    if (error instanceof BeelineError) {
      return [];
    }
    throw error;
  }
}

function isAbout(model: Model, { interface: name, service, realServer, vip }: Warning): boolean {
  if (vip !== undefined) {
    const { services, markRules = [] } = model;
    return services.some(({ address }) => address === vip) || markRules.some(({ match }) => match.address === vip);
  }
  if (service === undefined) {
    return name !== undefined && model.interfaces.includes(name);
  }
  const found = allServices(model).find((each) => serviceName(each) === service);
  return (
    found !== undefined &&
    (realServer === undefined || found.destinations.some(({ address }) => address === realServer))
  );
}
