/** From a service on a command line to a service of the director. Pure. */

import type { ServiceTable } from '../control/index.js';
import { BeelineError, type AnyServiceKey, serviceName } from '../model/index.js';
import type { ServiceArgument } from './command.js';
import { failureOf, refusal } from './errors.js';

export function hasService({ services, markServices }: ServiceTable, key: AnyServiceKey): boolean {
  const name = serviceName(key);
  return [...services, ...markServices].some((each) => serviceName(each) === name);
}

/** Returns the key of a service to add. @throws Failure if Beeline cannot have the service */
export function newKey(service: ServiceArgument): AnyServiceKey {
  if ('mark' in service) {
    return service;
  }
  const { protocol, address, port } = service;
  if (protocol === 'sctp') {
    throw refusal('Beeline does not balance SCTP.\nIts services are -t (TCP), -u (UDP) and -f (marks).');
  }
  return { protocol, address, port };
}

/** Returns the key of a service that should exist. @throws Failure if it cannot exist */
export function existingKey(service: ServiceArgument, about: 'service' | 'destination' = 'service'): AnyServiceKey {
  if ('mark' in service) {
    return service;
  }
  const { protocol, address, port } = service;
  if (protocol === 'sctp') {
    throw failureOf(new BeelineError('SERVICE_UNKNOWN', ''), about);
  }
  return { protocol, address, port };
}
