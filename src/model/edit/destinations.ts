/** Edits of destinations: adds, changes and deletes a service's real servers. */

import { BeelineError } from '../error.js';
import type { AnyService, Model } from '../model.js';
import type { Destination } from '../service.js';
import { isMarkKey, serviceName } from '../service-name.js';
import { checkRanges, checkRealServer, checkThresholds, findDestination, refused } from './checks.js';
import { type EditDestination, type EditOf } from './types.js';

export function addDestination(model: Model, service: AnyService, asked: EditDestination): AnyService {
  checkRanges(asked);
  const { address, port } = asked;
  requireMark(service, port);
  const same = service.destinations.find((each) => each.address === address);
  if (same !== undefined) {
    if (port !== undefined && port !== (same.port ?? 0)) {
      throw refused(
        `${serviceName(service)} has the real server ${address} already, with port ${same.port ?? 0}`,
        'In direct routing ports make no second real server: packets keep the port that the client sent them to.',
      );
    }
    throw new BeelineError('DESTINATION_EXISTS', `${serviceName(service)} has the real server ${address} already`);
  }
  checkRealServer(model, service, address);
  const destination = destinationOf(asked);
  checkThresholds(service, destination);
  const destinations = [...service.destinations, destination];
  if (service.slots !== undefined && service.slots < destinations.length) {
    throw refused(
      `${serviceName(service)} has a ring of ${service.slots} slots, too few for ${destinations.length} real servers`,
      'Make "slots" larger in the configuration, or leave it out, and reload.',
    );
  }
  return { ...service, destinations };
}

export function changeDestination(service: AnyService, asked: EditDestination): AnyService {
  checkRanges(asked);
  const before = findWithPort(service, asked);
  const { upperThreshold: _upper, lowerThreshold: _lower, ...kept } = before;
  const after = { ...kept, ...destinationOf(asked) };
  checkThresholds(service, after);
  return { ...service, destinations: service.destinations.map((each) => (each === before ? after : each)) };
}

export function deleteDestination(service: AnyService, asked: EditOf<'delete-destination'>): AnyService {
  const destination = findWithPort(service, asked);
  return { ...service, destinations: service.destinations.filter((each) => each !== destination) };
}

/** @throws BeelineError `DESTINATION_UNKNOWN`, also if the real server of a mark's service has another port */
function findWithPort(service: AnyService, { address, port }: Pick<EditDestination, 'address' | 'port'>): Destination {
  requireMark(service, port);
  const found = findDestination(service, address);
  if (port !== undefined && port !== (found.port ?? 0)) {
    throw new BeelineError('DESTINATION_UNKNOWN', `${serviceName(service)} has no real server ${address}:${port}`, {
      hint: `It has ${address}:${found.port ?? 0}.`,
    });
  }
  return found;
}

/** @throws BeelineError `EDIT_REFUSED` if a real server is to have a port beside its service's */
function requireMark(service: AnyService, port: number | undefined): void {
  if (port !== undefined && !isMarkKey(service)) {
    throw refused(
      `a real server of ${serviceName(service)} has the service's port`,
      "Only those of marks' services have one of their own, in ipvsadm's listings.",
    );
  }
}

function destinationOf({ address, port = 0, weight, ...thresholds }: EditDestination): Destination {
  const { upperThreshold = 0, lowerThreshold = 0 } = thresholds;
  return {
    address,
    ...(port === 0 ? {} : { port }),
    weight,
    ...(upperThreshold === 0 ? {} : { upperThreshold }),
    ...(lowerThreshold === 0 ? {} : { lowerThreshold }),
  };
}
