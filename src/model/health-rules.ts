/** Rules about health that a service must keep, for the configuration file and for commands. Pure. */

import { addressBits, type Family, familyOf, type IpAddress } from './address.js';
import { type Check, type CheckTiming, timingOf } from './check.js';
import type { Overrides } from './flow-settings.js';
import type { HealthPolicy, RealServerHealth } from './health.js';
import { type Breach, unusableRealServer } from './rules.js';
import type { MarkRule } from './service.js';
import { type AnyServiceKey, isMarkKey } from './service-name.js';

/** Where the checks of a service go, as far as that is known: a mark's service has what all its rules agree on. */
export interface CheckTarget {
  readonly vip?: IpAddress | undefined;
  readonly port?: number | undefined;
}

/** Returns what checks of a service need to know of it. @param rules all mark rules */
export function targetOf(key: AnyServiceKey, rules: readonly MarkRule[] = []): CheckTarget {
  if (!isMarkKey(key)) {
    return { vip: key.address, port: key.port === 0 ? undefined : key.port };
  }
  const own = rules.filter(({ mark, match }) => mark === key.mark && familyOf(match.address) === key.family);
  const whole = addressBits(key.family);
  return {
    vip: common(own.map(({ match }) => (match.prefixLength === whole ? match.address : undefined))),
    port: common(own.map(({ match }) => (match.firstPort === match.lastPort ? match.firstPort : undefined))),
  };
}

/** Returns the value that all have; undefined: there are several, or none. */
function common<Value>(values: readonly (Value | undefined)[]): Value | undefined {
  const [first] = values;
  return values.every((each) => each === first) ? first : undefined;
}

/** What a check must be told of the service. */
export function needsOf(check: Check): { readonly vip: boolean; readonly port: boolean } {
  const { type, via } = check;
  switch (type) {
    case 'exec':
    case 'file':
      return { vip: false, port: false };
    case 'ping':
      return { vip: via !== 'rip', port: false };
    case 'agent':
      return check.by === 'exec' ? { vip: false, port: false } : { vip: via !== 'rip', port: check.port === undefined };
    default:
      return { vip: via !== 'rip', port: check.port === undefined };
  }
}

export interface HealthToCheck {
  readonly family: Family;
  /** Undefined: no check can go anywhere yet, which refuses nothing. */
  readonly target: CheckTarget | undefined;
  readonly health: HealthPolicy | undefined;
  readonly realServers: readonly { readonly address: IpAddress; readonly health?: RealServerHealth | undefined }[];
  readonly isVip: (address: IpAddress) => boolean;
}

/** Checks the health of a service and of its real servers, each for itself and against the other. */
export function healthBreaches({ family, target, health, realServers, isVip }: HealthToCheck): Breach[] {
  const breaches: Breach[] =
    health === undefined
      ? []
      : [
          ...timesBreaches(health, health.checks),
          ...checkListBreaches(health.checks, target, health),
          ...quorumBreaches(health),
          ...fallbackBreaches(health, family, isVip),
        ];
  realServers.forEach(({ health: own }, i) => {
    if (own !== undefined) {
      breaches.push(...realServerBreaches(own, health, target).map(within('realServers', i, 'health')));
    }
  });
  return health === undefined
    ? breaches
    : breaches.map((each) => (each.path[0] === 'realServers' ? each : within('health')(each)));
}

function within(...keys: readonly (string | number)[]): (breach: Breach) => Breach {
  return ({ path, message }) => ({ path: [...keys, ...path], message });
}

function realServerBreaches(
  own: RealServerHealth,
  health: HealthPolicy | undefined,
  target: CheckTarget | undefined,
): Breach[] {
  if (health === undefined) {
    return own.checks?.length === 0
      ? []
      : [
          {
            path: [],
            message: 'needs "health" of the service; to check single real servers alone, give that "checks: []"',
          },
        ];
  }
  const checks = own.checks ?? health.checks;
  return [
    ...timesBreaches(own, checks, health),
    ...(own.checks === undefined ? [] : checkListBreaches(own.checks, target, health, own)),
  ];
}

/**
 * Checks the times at one place.
 *
 * @param checks those for which they hold
 * @param common more general ones
 */
function timesBreaches(
  times: Overrides<CheckTiming>,
  checks: readonly Check[],
  ...common: readonly Overrides<CheckTiming>[]
): Breach[] {
  const { fastInterval } = times;
  if (fastInterval === undefined || checks.length === 0) {
    return [];
  }
  const intervals = checks.map((check) => timingOf(check, ...common, times).interval);
  const longest = Math.max(...intervals);
  return fastInterval > longest
    ? [{ path: ['fastInterval'], message: `must be at most the interval, ${longest}, not ${fastInterval}` }]
    : [];
}

function checkListBreaches(
  checks: readonly Check[],
  target: CheckTarget | undefined,
  ...common: readonly Overrides<CheckTiming>[]
): Breach[] {
  return checks.flatMap((check, i) =>
    [
      ...(check.fastInterval === undefined ? [] : timesBreaches(check, [check], ...common)),
      ...targetBreaches(check, target),
      ...partsBreaches(check),
    ].map(within('checks', i)),
  );
}

function targetBreaches(check: Check, target: CheckTarget | undefined): Breach[] {
  if (check.address !== undefined && check.via !== 'rip') {
    return [{ path: ['address'], message: 'needs "via: rip": a check of the VIP goes through the real server' }];
  }
  if (target === undefined) {
    return [];
  }
  const needs = needsOf(check);
  if (needs.vip && target.vip === undefined) {
    return [{ path: [], message: 'needs "via: rip": the service has no single VIP' }];
  }
  return needs.port && target.port === undefined
    ? [{ path: [], message: `needs "port", as in { type: ${check.type}, port: 80 }: the service has no single port` }]
    : [];
}

/** Checks the settings of one check against each other. */
function partsBreaches(check: Check): Breach[] {
  const breach = (key: string, message: string): Breach[] => [{ path: [key], message }];
  switch (check.type) {
    case 'udp': {
      const { reply, mask } = check;
      if (mask === undefined || mask.length === reply?.length) {
        return [];
      }
      return breach(
        'mask',
        reply === undefined ? 'needs "reply"' : `must be as long as "reply", ${reply.length} bytes, not ${mask.length}`,
      );
    }
    case 'agent': {
      const { by = 'tcp', path, send, command } = check;
      return [
        ...(path !== undefined && by !== 'http' ? breach('path', 'needs "by: http"') : []),
        ...(send !== undefined && by !== 'tcp' ? breach('send', `has no meaning with "by: ${by}"`) : []),
        ...(command !== undefined && by !== 'exec' ? breach('command', 'needs "by: exec"') : []),
        ...(command === undefined && by === 'exec' ? breach('by', 'needs "command": the program that is asked') : []),
      ];
    }
    case 'http':
    case 'tcp':
    case 'https':
    case 'tls':
    case 'dns':
    case 'ping':
    case 'exec':
    case 'file':
      return [];
    default: {
      const { sni, alpn, verify, ca, expiryDays, tls } = check;
      const [given] = Object.entries({ sni, alpn, verify, ca, expiryDays }).filter(([, value]) => value !== undefined);
      return given === undefined || tls === true ? [] : breach(given[0], 'needs "tls: true"');
    }
  }
}

function quorumBreaches({ quorum }: HealthPolicy): Breach[] {
  const { weight = 1, hysteresis = 0 } = quorum ?? {};
  return hysteresis < weight
    ? []
    : [{ path: ['quorum', 'hysteresis'], message: `must be less than "weight", ${weight}, not ${hysteresis}` }];
}

function fallbackBreaches(
  { fallback = [], panic = false }: HealthPolicy,
  family: Family,
  isVip: (address: IpAddress) => boolean,
): Breach[] {
  const both: Breach[] =
    panic && fallback.length > 0
      ? [{ path: ['panic'], message: 'excludes "fallback": all real servers are used, and no others' }]
      : [];
  const wrong = fallback.flatMap((address, i): Breach[] => {
    const message = wrongFallback(address, i, fallback, family, isVip);
    return message === undefined ? [] : [{ path: ['fallback', i], message }];
  });
  return [...both, ...wrong];
}

function wrongFallback(
  address: IpAddress,
  i: number,
  all: readonly IpAddress[],
  family: Family,
  isVip: (address: IpAddress) => boolean,
): string | undefined {
  const first = all.indexOf(address);
  if (first !== i) {
    return `is ${address}, the same as fallback[${first}]`;
  }
  if (familyOf(address) !== family) {
    return `must be an IPv${family} address as the service has, not ${address}`;
  }
  if (isVip(address)) {
    return `must be the host's own address; ${address} is a VIP`;
  }
  const reason = unusableRealServer(address);
  return reason === undefined ? undefined : `cannot take flows: ${reason}`;
}
