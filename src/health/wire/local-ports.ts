/** The local ports of checks, which no other program of the host may use. */

import { readFileSync } from 'node:fs';

import { checkPorts } from '../../layout/index.js';

/** The ports of checks unless others are configured: behind Linux's own (32768–60999). */
export const DEFAULT_FIRST_PORT: number = checkPorts['first-port'];
export const DEFAULT_PORTS: number = checkPorts.ports;

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Returns the part of a range from which the kernel may give ports to other programs: within ip_local_port_range, and not all
 * of it in ip_local_reserved_ports. undefined for none.
 */
export function portsInUse(range: PortRange): PortRange | undefined {
  const [low, high] = readSetting('ip_local_port_range').split(/\s+/).map(Number) as [number, number];
  return overlap(range, { first: low, last: high }, parseRanges(readSetting('ip_local_reserved_ports')));
}

/** Returns the ports of both ranges, from the first to the last that is not reserved. Pure. */
export function overlap(range: PortRange, local: PortRange, reserved: readonly PortRange[]): PortRange | undefined {
  let first = Math.max(range.first, local.first);
  let last = Math.min(range.last, local.last);
  const holder = (port: number): PortRange | undefined =>
    reserved.find((other) => other.first <= port && port <= other.last);
  for (let found = holder(first); found && first <= last; found = holder(first)) {
    first = found.last + 1;
  }
  for (let found = holder(last); found && first <= last; found = holder(last)) {
    last = found.first - 1;
  }
  return first <= last ? { first, last } : undefined;
}

/** Reads the kernel's list: "8080,9148-9150". */
function parseRanges(text: string): PortRange[] {
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [first, last] = part.split('-').map(Number) as [number, number?];
      return { first, last: last ?? first };
    });
}

function readSetting(name: string): string {
  return readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim();
}
