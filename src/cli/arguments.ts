/** What several commands take on the command line: services, addresses, lengths of time. */

import { InvalidArgumentError } from 'commander';

import { BeelineError, parseIp, parseServiceName, serviceName, type IpAddress } from '../model/index.js';

/** @throws InvalidArgumentError */
export function service(text: string): string {
  const key = parseServiceName(text);
  if (key === undefined) {
    throw new InvalidArgumentError('It must be a service, for example 192.168.1.100:80 or "udp [fd00::100]:53".');
  }
  return serviceName(key);
}

/** @throws InvalidArgumentError */
export function address(text: string): IpAddress {
  const ip = parseIp(text);
  if (ip === undefined) {
    throw new InvalidArgumentError('It must be an IP address.');
  }
  return ip;
}

/** "90", "90s", "10m", "2h": milliseconds. @throws BeelineError `USAGE` */
export function duration(text: string): number {
  const parts = /^(\d+)(ms|s|m|h)?$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[parts?.[2] ?? 's'];
  if (parts === null || unit === undefined) {
    throw new BeelineError('USAGE', `"${text}" is no length of time`, { hint: 'For example 90s, 10m or 2h.' });
  }
  return Number(parts[1]) * unit;
}
