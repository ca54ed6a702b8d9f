/** Carries out the commands that print what the director has: -L, -Lc and -S. */

import type { FlowReport } from '../control/index.js';
import { BeelineError, type AnyServiceKey, serviceName, type IpAddress, isMarkKey } from '../model/index.js';
import type { Command, ServiceArgument } from './command.js';
import type { Environment } from './environment.js';
import { failureOf } from './errors.js';
import {
  connectionTitle,
  formatConnection,
  formatList,
  formatSave,
  type Labels,
  type ListedService,
  listedServices,
  NUMBERS,
} from './listing.js';
import type { Names } from './names.js';

/** Prints the services and their real servers: -L. @throws Failure for a service that does not exist */
export async function printServices(
  { service, format }: Extract<Command, { kind: 'list' }>,
  { director, names, out, salt }: Environment,
): Promise<void> {
  const all = listedServices(await director.table(), format.sorted, salt);
  const name = service === undefined ? undefined : nameOf(service);
  const services = name === undefined ? all : all.filter((each) => serviceName(each) === name);
  if (name !== undefined && services.length === 0) {
    throw failureOf(new BeelineError('SERVICE_UNKNOWN', ''), 'list');
  }
  const labels = await labelsFor(services, format.numeric, names);
  out(formatList(services, format, labels, name === undefined));
}

/** Prints the flows: -Lc. They come page by page: there may be millions. */
export async function printConnections(
  { numeric, engines }: Extract<Command, { kind: 'list-connections' }>,
  { director, names, out }: Environment,
): Promise<void> {
  out(connectionTitle(engines));
  let from: string | undefined;
  do {
    const page = await director.flows(from);
    const labels = numeric ? NUMBERS : await labelsOf(names, flowAddresses(page.flows));
    out(page.flows.map((flow) => formatConnection(flow, labels)).join(''));
    from = page.next;
  } while (from !== undefined);
}

/** Prints the commands that recreate the services: -S. */
export async function printSaved(numeric: boolean, { director, names, out, salt }: Environment): Promise<void> {
  const services = listedServices(await director.table(), true, salt);
  out(formatSave(services, await labelsFor(services, numeric, names)));
}

async function labelsFor(services: readonly ListedService[], numeric: boolean, names: Names): Promise<Labels> {
  const addresses = services.flatMap((service) => [
    ...(isMarkKey(service) ? [] : [service.address]),
    ...service.destinations.map(({ address }) => address),
  ]);
  return numeric ? NUMBERS : labelsOf(names, addresses);
}

async function labelsOf(names: Names, addresses: readonly IpAddress[]): Promise<Labels> {
  const hosts = await names.hostsOf(addresses);
  return {
    host: (address) => hosts.get(address) ?? address,
    port: (port, protocol) => (protocol === undefined ? undefined : names.serviceOf(port, protocol)) ?? String(port),
  };
}

function flowAddresses(flows: readonly FlowReport[]): IpAddress[] {
  return flows.flatMap(({ client, vip, realServer: server }) =>
    vip === undefined ? [client, server] : [client, vip, server],
  );
}

/** Returns a service's name; '' for a service that no director can have. */
function nameOf(service: ServiceArgument): string {
  return 'mark' in service || service.protocol !== 'sctp' ? serviceName(service as AnyServiceKey) : '';
}
