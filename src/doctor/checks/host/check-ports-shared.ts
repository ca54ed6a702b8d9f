/** The local ports of health checks are ports that the kernel gives to other programs as well. */

import { allServices, type Model } from '../../../model/index.js';
import type { Check } from '../../check.js';
import { fixSettings } from './mends.js';

/** The ports of checks unless others are configured (bpf/check.h; a test compares them). */
export const CHECK_PORTS = { first: 61_000, last: 65_095 } as const;

const RANGE = 'net/ipv4/ip_local_port_range';
const RESERVED = 'net/ipv4/ip_local_reserved_ports';

interface Ports {
  readonly first: number;
  readonly last: number;
}

export const checkPortsShared: Check = {
  name: 'check-ports-shared',
  about: 'local ports of health checks that the kernel gives to other programs',
  reads: ['host'],
  find: ({ director: { model }, host }) => {
    const [low, high] = host?.sysctls[RANGE]?.split(/\s+/).map(Number) ?? [];
    if (low === undefined || high === undefined || !hasChecks(model)) {
      return [];
    }
    const ports = model.health?.ports ?? CHECK_PORTS;
    const reserved = host?.sysctls[RESERVED] ?? '';
    const shared = { first: Math.max(ports.first, low), last: Math.min(ports.last, high) };
    if (isCovered(shared, parsePorts(reserved))) {
      return [];
    }
    return [
      {
        check: 'check-ports-shared',
        severity: 'warning',
        subject: `${ports.first}-${ports.last}`,
        text: `the kernel gives ports of health checks to other programs: ${shared.first}-${shared.last}`,
        evidence: [`/proc/sys/${RANGE}: ${low} ${high}`, `/proc/sys/${RESERVED}: ${reserved || 'none'}`],
        why: 'A connection of another program from such a port to a real server is taken for a check, or keeps one from being made.',
        // What others reserved stays.
        mend: fixSettings({ [RESERVED]: [reserved, `${ports.first}-${ports.last}`].filter(Boolean).join(',') }),
      },
    ];
  },
};

/** Whether a director makes any checks. */
export function hasChecks(model: Model): boolean {
  return allServices(model).some(
    ({ health, destinations }) =>
      (health?.checks ?? []).length > 0 || destinations.some((each) => (each.health?.checks ?? []).length > 0),
  );
}

/** Parses the kernel's list: "8080,9148-9150". */
function parsePorts(text: string): Ports[] {
  return text
    .split(',')
    .filter(Boolean)
    .map((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return { first, last };
    });
}

function isCovered({ first, last }: Ports, by: readonly Ports[]): boolean {
  let next = first;
  for (const each of by.toSorted((a, b) => a.first - b.first)) {
    next = each.first <= next ? Math.max(next, each.last + 1) : next;
  }
  return next > last;
}
