/** Checks of edits: what IPVS or Beeline would refuse, with the reason and what to do. */

import { familyOf, type IpAddress, parseVip } from '../address.js';
import { BeelineError } from '../error.js';
import { MAX_MARK } from '../mark.js';
import { allServices, type AnyService, type Model } from '../model.js';
import {
  type Breach,
  isNetmask,
  policyBreaches,
  thresholdBreach,
  unusableAddress,
  unusableRealServer,
} from '../rules.js';
import { type Destination, MAX_THRESHOLD, MAX_WEIGHT, type ServiceKey } from '../service.js';
import { type AnyServiceKey, familyOfService, isMarkKey, serviceName } from '../service-name.js';
import { type EditDestination } from './types.js';

/** Whether two services have the same key. Compares what differs first: see serviceOf(). */
export function isSameService(a: ServiceKey, b: ServiceKey): boolean {
  return a.port === b.port && a.address === b.address && a.protocol === b.protocol;
}

/**
 * Returns the service of a key; undefined: there is none. Thousands of edits in a row look at thousands of services each, so
 * that this compares what differs first, and asks no service which kind it is.
 */
export function serviceOf({ services, markServices = [] }: Model, key: AnyServiceKey): AnyService | undefined {
  if (isMarkKey(key)) {
    return markServices.find(({ mark, family }) => mark === key.mark && family === key.family);
  }
  return services.find((each) => isSameService(each, key));
}

/** @throws BeelineError `SERVICE_UNKNOWN` */
export function findService(model: Model, key: AnyServiceKey): AnyService {
  const service = serviceOf(model, key);
  if (service === undefined) {
    throw new BeelineError('SERVICE_UNKNOWN', `there is no service ${serviceName(key)}`, {
      hint: '"beeline list" lists them.',
    });
  }
  return service;
}

/** @throws BeelineError `DESTINATION_UNKNOWN` */
export function findDestination(service: AnyService, address: IpAddress): Destination {
  const destination = service.destinations.find((each) => each.address === address);
  if (destination === undefined) {
    throw new BeelineError('DESTINATION_UNKNOWN', `${serviceName(service)} has no real server ${address}`, {
      hint: '"beeline list" lists them.',
    });
  }
  return destination;
}

export function refused(message: string, hint: string): BeelineError {
  return new BeelineError('EDIT_REFUSED', message, { hint });
}

export function checkMark(mark: number): void {
  if (!(Number.isInteger(mark) && mark >= 1 && mark <= MAX_MARK)) {
    throw new BeelineError('OUT_OF_RANGE', `a mark must be from 1 to ${MAX_MARK}, not ${mark}`);
  }
}

export function checkVip(model: Model, { address }: ServiceKey): void {
  checkAddress(
    address,
    unusableAddress,
    'a VIP',
    'Use an address that clients send to, and that the director has on its interface.',
  );
  const user = allServices(model).find(({ destinations }) => destinations.some((each) => each.address === address));
  if (user !== undefined) {
    throw refused(
      `${address} is a real server's address, of ${serviceName(user)}: it cannot be a VIP too`,
      "Use an address that is no real server's own.",
    );
  }
  const fallbackOf = allServices(model).find(({ health }) => health?.fallback?.includes(address));
  if (fallbackOf !== undefined) {
    throw refused(
      `${address} is a fallback of ${serviceName(fallbackOf)}: it cannot be a VIP too`,
      "Use an address that is no host's own.",
    );
  }
}

export function checkRealServer(model: Model, service: AnyService, address: IpAddress): void {
  checkAddress(
    address,
    unusableRealServer,
    'a real server',
    "Use the real server's own address on the network it shares with the director.",
  );
  const family = familyOfService(service);
  if (familyOf(address) !== family) {
    throw refused(
      `a real server of ${serviceName(service)} must have an IPv${family} address, not ${address}`,
      'Direct routing changes no address: client, VIP and real server are of one family.',
    );
  }
  const vip = model.services.find((each) => each.address === address);
  if (vip !== undefined) {
    throw refused(
      `${address} is a VIP, of ${serviceName(vip)}: it cannot be a real server's address too`,
      "Use the real server's own address; for the director itself, one of its other addresses.",
    );
  }
}

function checkAddress(address: IpAddress, check: typeof unusableAddress, as: string, hint: string): void {
  const reason = parseVip(address) === address ? check(address) : `${address} is not an address that Beeline accepts`;
  if (reason !== undefined) {
    throw refused(`${address} cannot be ${as}: ${reason}`, hint);
  }
}

/** Checks the ranges that the kernel checks too (ERANGE). */
export function checkRanges({ weight, upperThreshold: upper = 0, lowerThreshold: lower = 0 }: EditDestination): void {
  const isIn = (value: number, high: number): boolean => Number.isInteger(value) && value >= 0 && value <= high;
  if (!isIn(weight, MAX_WEIGHT) || !isIn(upper, MAX_THRESHOLD) || !isIn(lower, MAX_THRESHOLD)) {
    throw new BeelineError('OUT_OF_RANGE', 'weight and thresholds must be whole numbers from 0 to 2147483647');
  }
  if (lower > upper) {
    throw new BeelineError('OUT_OF_RANGE', `the lower threshold, ${lower}, is above the upper, ${upper}`, {
      hint: 'Make the upper one larger, or leave the lower one out.',
    });
  }
}

export function checkThresholds(service: AnyService, destination: Destination): void {
  const breach = thresholdBreach(destination, service);
  if (breach !== undefined) {
    throw breachError(service, breach);
  }
}

export function checkPolicy(service: AnyService): void {
  const protocol = isMarkKey(service) ? undefined : service.protocol;
  const [breach] = policyBreaches({ ...service, protocol, family: familyOfService(service) });
  if (breach !== undefined) {
    throw breachError(service, breach);
  }
  const mask = service.persistence?.mask;
  if (typeof mask === 'string' && !isNetmask(mask)) {
    throw refused(
      `${serviceName(service)}: the mask ${mask} makes all clients one`,
      'Use a netmask of at least one bit, for example 255.255.255.0.',
    );
  }
  service.destinations.forEach((destination) => {
    checkThresholds(service, destination);
  });
}

function breachError(service: AnyService, { path, message }: Breach): BeelineError {
  return refused(
    `${serviceName(service)}: "${path.join('.')}" ${message}`,
    'Change the one or the other: with "beeline ipvsadm -E" if ipvsadm knows it, or else in the configuration.',
  );
}
