/** Services as users name them: in full, or with protocol and port left out where that leaves no choice. Pure. */

import { InvalidArgumentError } from 'commander';

import {
  type AnyServiceKey,
  BeelineError,
  type IpAddress,
  isMarkKey,
  type MarkKey,
  parseVip,
  parseServiceName,
  type Protocol,
  type ServiceKey,
  serviceName,
} from '../model/index.js';

/** A service of an address, of which protocol and port may be missing. */
interface WantedAddress {
  readonly address: IpAddress;
  readonly port: number | undefined;
  readonly protocol: Protocol | undefined;
}

export type Wanted = MarkKey | WantedAddress;

export const FORMS = '192.168.1.100:80, 192.168.1.100, or "udp [fd00::100]:53"';

/** How many services a message names. */
const NAMED = 8;

/** @throws InvalidArgumentError */
export function wanted(text: string): Wanted {
  const key = parseServiceName(text);
  if (key !== undefined) {
    return isMarkKey(key) || /^(tcp|udp)[ /]/i.test(text.trim()) ? key : { ...key, protocol: undefined };
  }
  const [, protocol, host = ''] = /^(?:(tcp|udp)[ /])?(.*)$/i.exec(text.trim()) ?? [];
  const address = parseVip(host.replace(/^\[(.*)\]$/, '$1'));
  if (address === undefined) {
    throw new InvalidArgumentError(`It must be a service: ${FORMS}.`);
  }
  return { address, port: undefined, protocol: protocol?.toLowerCase() as Protocol | undefined };
}

export function isMark(service: Wanted): service is MarkKey {
  return 'mark' in service;
}

/** Whether nothing of the service's name is missing. */
export function isWhole(service: Wanted): service is ServiceKey | MarkKey {
  return isMark(service) || (service.port !== undefined && service.protocol !== undefined);
}

/** Returns a service in full: TCP's if nothing else is said. @throws BeelineError `USAGE` without a port */
export function inFull(service: Wanted): AnyServiceKey {
  if (isMark(service)) {
    return service;
  }
  const { address, port, protocol = 'tcp' } = service;
  if (port === undefined) {
    const example = serviceName({ address, port: 80, protocol });
    throw new BeelineError('USAGE', `the port of the service is missing: ${wantedName(service)}`, {
      hint: `Write, for example, ${protocol === 'tcp' ? example.slice('tcp '.length) : `"${example}"`}.`,
    });
  }
  return { address, port, protocol };
}

/** Returns the services that a user may mean. With a port, and without a protocol, TCP's is meant before UDP's. */
export function matching<Key extends AnyServiceKey>(service: Wanted, all: readonly Key[]): Key[] {
  if (isMark(service)) {
    return all.filter((each) => serviceName(each) === serviceName(service));
  }
  const { address, port, protocol } = service;
  const found = all.filter(
    (each) =>
      !isMarkKey(each) &&
      each.address === address &&
      (port === undefined || each.port === port) &&
      (protocol === undefined || each.protocol === protocol),
  );
  const tcp = found.filter((each) => !isMarkKey(each) && each.protocol === 'tcp');
  return port !== undefined && tcp.length > 0 ? tcp : found;
}

/** Returns the one service that a user means. @throws BeelineError `SERVICE_UNKNOWN`, or `USAGE` if there are several */
export function onlyMatch(service: Wanted, all: readonly AnyServiceKey[]): AnyServiceKey {
  const [only, ...others] = matching(service, all);
  if (only === undefined) {
    throw noService(service, all);
  }
  if (others.length > 0) {
    throw new BeelineError('USAGE', `${wantedName(service)} has several services`, {
      hint: `Name one: ${named([only, ...others])}.`,
    });
  }
  // Without the rest of a report.
  return isMarkKey(only)
    ? { mark: only.mark, family: only.family }
    : { address: only.address, port: only.port, protocol: only.protocol };
}

/** @param all the services that there are */
export function noService(service: Wanted, all: readonly AnyServiceKey[]): BeelineError {
  const same = isMark(service) ? [] : all.filter((each) => !isMarkKey(each) && each.address === service.address);
  const there = same.length > 0 ? same : all;
  return new BeelineError('SERVICE_UNKNOWN', `there is no service ${wantedName(service)}`, {
    hint: there.length === 0 ? 'There are no services.' : `There ${there.length === 1 ? 'is' : 'are'} ${named(there)}.`,
  });
}

/** "192.168.1.100:80", "udp 192.168.1.100" */
function wantedName(service: Wanted): string {
  if (isMark(service)) {
    return serviceName(service);
  }
  const { address, port, protocol } = service;
  const host = address.includes(':') && port !== undefined ? `[${address}]` : address;
  return `${protocol === undefined ? '' : `${protocol} `}${host}${port === undefined ? '' : `:${port}`}`;
}

/** Names services, the first of many. */
export function named(all: readonly AnyServiceKey[]): string {
  return `${all.slice(0, NAMED).map(serviceName).join(', ')}${all.length > NAMED ? ', …' : ''}`;
}
