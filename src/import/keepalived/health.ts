/** Health of a service from the checkers of its real servers: what most have stands at the service. Pure. */

import { isDeepStrictEqual } from 'node:util';

import { type Check, type Family, familyOf, type HealthPolicy, type RealServerHealth } from '../../model/index.js';
import type { Context } from './context.js';
import type { CheckSpec, ServerSpec, VirtualSpec } from './spec.js';
import { type FullTimes, fullTimes } from './times.js';

/** Where a service's packets go, as far as its checks must know. */
export interface CheckedService {
  readonly virtual: VirtualSpec;
  /** 0: the packets have no single port. */
  readonly port: number;
  readonly family: Family;
  /** Whether there is a VIP for checks to go to. */
  readonly hasVip: boolean;
}

const TIMES = ['interval', 'timeout', 'fastInterval', 'rise', 'fall'] as const satisfies readonly (keyof FullTimes)[];
const MOST_CHECKS = 16;

interface ServerHealth extends FullOrNone {
  readonly checks: readonly Check[];
  readonly initially: 'up' | 'down';
}
type FullOrNone = { readonly [Key in keyof FullTimes]?: number };

/** Returns the health of a service, and of each real server what it has of its own. */
export function healthOf(
  service: CheckedService,
  servers: readonly ServerSpec[],
  context: Context,
): { readonly policy: HealthPolicy | undefined; readonly own: readonly (RealServerHealth | undefined)[] } {
  const all = servers.map((server) => serverHealthOf(service, server, context));
  const common = mostFrequent(all.filter(({ checks }) => checks.length > 0));
  const rest = {
    ...onFailureOf(service.virtual, servers, context),
    ...quorumOf(service.virtual, servers, context),
    ...fallbackOf(service, context),
  };
  if (common === undefined) {
    return {
      policy: Object.keys(rest).length === 0 ? undefined : { checks: [], ...rest },
      own: all.map(() => undefined),
    };
  }
  const { initially, ...shared } = common;
  return {
    policy: { ...shared, ...(initially === 'down' && { initially }), ...rest },
    own: all.map((each) => differenceOf(each, common)),
  };
}

function differenceOf(health: ServerHealth, common: ServerHealth): RealServerHealth | undefined {
  if (health.checks.length === 0) {
    return { checks: [] };
  }
  const own = Object.entries(health).filter(
    ([key, value]) => !isDeepStrictEqual(value, common[key as keyof ServerHealth]),
  );
  return own.length === 0 ? undefined : Object.fromEntries(own);
}

/** Returns the first of those that most are equal to. */
function mostFrequent(all: readonly ServerHealth[]): ServerHealth | undefined {
  const groups = new Map<string, { readonly first: ServerHealth; count: number }>();
  for (const each of all) {
    const key = JSON.stringify(each);
    const group = groups.get(key) ?? { first: each, count: 0 };
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count)[0]?.first;
}

function serverHealthOf(service: CheckedService, server: ServerSpec, context: Context): ServerHealth {
  const { virtual } = service;
  const specs = server.checks.slice(0, MOST_CHECKS);
  if (server.checks.length > MOST_CHECKS) {
    context.report.tell('dropped', server.statement, `real_server: only the first ${MOST_CHECKS} of its checkers`);
  }
  const checks = specs.flatMap((spec): (Check & FullTimes)[] => {
    const check = checkOf(spec, service, server, context);
    return check === undefined ? [] : [{ ...check, ...timesOf(spec, server, virtual) }];
  });
  const shared = TIMES.filter((key) => new Set(checks.map((check) => check[key])).size === 1);
  const isDown = specs.some(({ alpha = server.alpha ?? virtual.alpha ?? false }) => alpha);
  return {
    checks: checks.map(
      (check) => Object.fromEntries(Object.entries(check).filter(([key]) => !isOneOf(key, shared))) as Check,
    ),
    ...Object.fromEntries(shared.map((key) => [key, checks[0]?.[key]])),
    initially: isDown ? 'down' : 'up',
  };
}

function isOneOf(key: string, keys: readonly string[]): boolean {
  return keys.includes(key);
}

function timesOf(spec: CheckSpec, server: ServerSpec, virtual: VirtualSpec): FullTimes {
  const times = fullTimes([spec.times, server.times, virtual.times], spec.defaults);
  if (spec.ownTimeout !== true) {
    return times;
  }
  const { timeout: own = 0 } = spec.times;
  // A program's time is the virtual server's delay_loop if it has none of its own (misc_check_thread in check_misc.c).
  const { timeout } = fullTimes([{ timeout: own > 0 ? own : (virtual.times.interval ?? 60) }], spec.defaults);
  return { ...times, timeout };
}

/** Returns a check with its place; undefined: it cannot be made, as was told. */
function checkOf(
  spec: CheckSpec,
  { virtual, port, hasVip }: CheckedService,
  server: ServerSpec,
  { report, via }: Context,
): Check | undefined {
  const check = spec.build(server.virtualHost ?? virtual.virtualHost);
  const [keyword] = spec.statement.words;
  if (check === undefined || check.type === 'exec' || check.type === 'file' || check.type === 'agent') {
    report.tell('translated', spec.statement, `${keyword!}: ${spec.text}`);
    return check;
  }
  const asked = spec.port ?? server.port;
  if (check.type !== 'ping' && asked === 0 && port === 0) {
    report.tell('dropped', spec.statement, `${keyword!}: no port is known: give the check a "port"`);
    return undefined;
  }
  const isElsewhere = check.type === 'ping' || (asked !== 0 && asked !== port);
  const isRip = spec.address !== undefined || !hasVip || (via ?? (isElsewhere ? 'rip' : 'vip')) === 'rip';
  const way = isRip
    ? "via: rip: to the real server's own address, as in keepalived"
    : 'to the VIP, through the real server: one that does not answer there takes no packets';
  // queue_checker() in check_api.c takes the address before the port of the virtual server is known.
  const nowhere = check.type !== 'ping' && asked === 0 ? ' (keepalived: to port 0, which nobody answers)' : '';
  report.tell('translated', spec.statement, `${keyword!}: ${spec.text}${nowhere}; ${way}`);
  return {
    ...check,
    ...(isRip && { via: 'rip' as const }),
    ...(spec.address !== undefined && spec.address !== server.address && { address: spec.address }),
    ...(check.type !== 'ping' && asked !== 0 && asked !== port && { port: asked }),
  };
}

/** Of a service, not of a real server: it quiesces if all real servers do. */
function onFailureOf(
  virtual: VirtualSpec,
  servers: readonly ServerSpec[],
  { report }: Context,
): Pick<HealthPolicy, 'onFailure'> {
  const checked = servers.filter(({ checks }) => checks.length > 0);
  const quiet = checked.filter(({ inhibit = virtual.inhibit }) => inhibit !== undefined && inhibit !== false);
  if (quiet.length === 0 || quiet.length === checked.length) {
    return quiet.length === 0 ? {} : { onFailure: 'quiesce' };
  }
  for (const { inhibit, statement } of checked) {
    const at = inhibit === undefined || inhibit === false ? statement : inhibit;
    report.tell(
      'dropped',
      at,
      'inhibit_on_failure: it is of a whole service (onFailure), and only some real servers have it: remove',
    );
  }
  return {};
}

/** As keepalived corrects them (validate_check_config in check_data.c). */
function quorumOf(
  virtual: VirtualSpec,
  servers: readonly ServerSpec[],
  { report }: Context,
): Pick<HealthPolicy, 'quorum'> {
  const { quorum = 1, hysteresis = 0, weight = 1, statement } = virtual;
  const sum = servers.reduce((total, server) => total + (server.weight ?? weight), 0);
  const reached = Math.max(Math.min(quorum, sum), 1);
  if (quorum > reached) {
    report.tell(
      'translated',
      statement,
      `quorum: ${reached}: all real servers together have ${sum}; keepalived reduces it too`,
    );
  }
  const least = Math.min(hysteresis, reached - 1);
  if (least < hysteresis) {
    report.tell(
      'translated',
      statement,
      `hysteresis: ${least}: it must be less than the quorum; keepalived reduces it too`,
    );
  }
  if (reached === 1) {
    return {};
  }
  return { quorum: { weight: reached, ...(least > 0 && { hysteresis: least }) } };
}

function fallbackOf(
  { virtual, port, family, hasVip }: CheckedService,
  { report }: Context,
): Pick<HealthPolicy, 'fallback'> {
  const { sorry } = virtual;
  if (sorry === undefined) {
    return {};
  }
  if (familyOf(sorry.address) !== family) {
    report.tell(
      'dropped',
      sorry.statement,
      `sorry_server: ${sorry.address} is of another family than the virtual server`,
    );
    return {};
  }
  report.tell(
    'translated',
    sorry.statement,
    `sorry_server: fallback: ${sorry.address}; real servers that are up keep their flows`,
  );
  if (hasVip && sorry.port !== 0 && sorry.port !== port) {
    report.tell(
      'dropped',
      sorry.statement,
      `sorry_server: port ${sorry.port}: packets keep the port that clients sent them to`,
    );
  }
  return { fallback: [sorry.address] };
}
