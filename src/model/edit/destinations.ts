/** Edits of destinations: adds, changes and deletes a service's real servers. */

import type { IpAddress } from '../address.js';
import { BeelineError } from '../error.js';
import type { AnyService, Model } from '../model.js';
import type { Destination } from '../service.js';
import { serviceName } from '../service-name.js';
import { checkRanges, checkRealServer, checkThresholds, findDestination, refused } from './checks.js';
import { type EditDestination } from './types.js';

export function addDestination(model: Model, service: AnyService, asked: EditDestination): AnyService {
  checkRanges(asked);
  const { address } = asked;
  if (service.destinations.some((each) => each.address === address)) {
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
  const before = findDestination(service, asked.address);
  const { upperThreshold: _upper, lowerThreshold: _lower, ...kept } = before;
  const after = { ...kept, ...destinationOf(asked) };
  checkThresholds(service, after);
  return { ...service, destinations: service.destinations.map((each) => (each === before ? after : each)) };
}

export function deleteDestination(service: AnyService, address: IpAddress): AnyService {
  const destination = findDestination(service, address);
  return { ...service, destinations: service.destinations.filter((each) => each !== destination) };
}

function destinationOf({ address, weight, upperThreshold = 0, lowerThreshold = 0 }: EditDestination): Destination {
  return {
    address,
    weight,
    ...(upperThreshold === 0 ? {} : { upperThreshold }),
    ...(lowerThreshold === 0 ? {} : { lowerThreshold }),
  };
}
