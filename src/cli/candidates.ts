/** Finds what shells offer for services, real servers, clients, instances, labs and interfaces: those of this machine. */

import { existsSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';

import type { Method, Parameters, Results, ServiceReport } from '../control/index.js';
import { DEFAULT_INSTANCE, instanceOf, isMarkKey, parseServiceName, serviceName } from '../model/index.js';
import type { Candidate, Given } from '../usage/index.js';
import { formatEndpoint, formatQuantity } from './terminal/format.js';

async function ask<Name extends Method>(
  given: Given,
  method: Name,
  parameters: Parameters[Name],
): Promise<Results[Name]> {
  const { request } = await import('../control/index.js');
  const instance = given['--instance'] ?? process.env['BEELINE_INSTANCE'] ?? DEFAULT_INSTANCE;
  return request(instanceOf(instance).socketPath, method, parameters);
}

/** Lists the services in the spelling that the word began with; by default "tcp/192.168.1.100:80", which needs no quotes. */
export async function services(given: Given, current: string): Promise<Candidate[]> {
  const all = await ask(given, 'list', {});
  return all.flatMap((service) => {
    const name = spelling(service, current);
    const servers = formatQuantity(service.realServers.length, 'real server');
    return name === undefined ? [] : { value: name, description: `${service.scheduler}, ${servers}` };
  });
}

function spelling(service: ServiceReport, current: string): string | undefined {
  const name = serviceName(service);
  if (/^[\d[]/.test(current)) {
    return name.startsWith('tcp ') ? name.slice('tcp '.length) : undefined;
  }
  return current.includes(' ') ? name : name.replaceAll(' ', '/');
}

/** Lists the addresses and ports of the services: "192.168.1.100:80". */
export async function vips(given: Given): Promise<Candidate[]> {
  const all = await ask(given, 'list', {});
  const found = all.flatMap((service): [string, string][] => {
    if (isMarkKey(service)) {
      return [];
    }
    const { address, port, protocol, scheduler } = service;
    return [[port === 0 ? address : formatEndpoint(address, port), `${protocol}, ${scheduler}`]];
  });
  return [...new Map(found)].map(([value, description]) => ({ value, description }));
}

/** Lists the real servers of the service on the command line, or of all services. */
export async function realServers(given: Given): Promise<Candidate[]> {
  const all = await ask(given, 'list', {});
  const { '--tcp-service': tcp, '--udp-service': udp, '--service': named } = given;
  const asked =
    tcp === undefined ? (udp === undefined ? (named ?? given['service'] ?? '') : `udp/${udp}`) : `tcp/${tcp}`;
  const key = parseServiceName(asked);
  const meant = key === undefined ? all : all.filter((service) => serviceName(service) === serviceName(key));
  const found = meant.flatMap((service) =>
    service.realServers.map(({ address, weight, state }): [string, string] => [
      address,
      key === undefined ? `of ${serviceName(service)}` : `weight ${weight}, ${state}`,
    ]),
  );
  return [...new Map(found)].map(([value, description]) => ({ value, description }));
}

/** Lists the clients with the most flows. */
export async function clients(given: Given): Promise<Candidate[]> {
  const { topClients } = await ask(given, 'flowSummary', { limit: 1 });
  return topClients.map(({ client, flows }) => ({ value: client, description: formatQuantity(flows, 'flow') }));
}

/** Lists the directors that run on this machine, or did. */
export function instances(): Candidate[] {
  const names = namesIn(dirname(instanceOf(DEFAULT_INSTANCE).socketPath));
  return names.flatMap((name) => (name.endsWith('.sock') ? { value: name.slice(0, -'.sock'.length) } : []));
}

export async function labs(): Promise<Candidate[]> {
  const { labNames } = await import('../lab/index.js');
  return labNames().map((value) => ({ value }));
}

export function interfaces(): Candidate[] {
  return Object.keys(networkInterfaces()).map((value) => ({ value }));
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
