/** What is checked: the checks of a service's real servers, and where each goes. Pure. */

import { isDeepStrictEqual } from 'node:util';

import {
  addressBits,
  type AnyService,
  type Check,
  type CheckTiming,
  type Damping,
  type Destination,
  familyOf,
  type HealthPolicy,
  type IpAddress,
  isMarkKey,
  type Judging,
  type MacAddress,
  type MarkRule,
  type MarkService,
  type Model,
  type Protocol,
  type RealServerHealth,
  timingOf,
  type Vlan,
} from '../../model/index.js';
import type { Target } from '../kinds/kind.js';
import { checkEnvironment } from '../slow/environment.js';

/** How to find the way to a real server. */
export interface Wish {
  /** Equal wishes have the same. */
  readonly key: string;
  readonly rip: IpAddress;
  /** A hop limit of 1, and VIP and RIP exchanged: it must be a neighbour. */
  readonly toVip: boolean;
  readonly mac?: MacAddress | undefined;
  readonly vlan?: Vlan | undefined;
  /** The interface by which packets to it leave. */
  readonly device?: string | undefined;
}

/** Where a check goes. */
export interface Spot {
  readonly target: Target;
  readonly rip: IpAddress;
  /** Undefined: the check goes to `rip` itself. */
  readonly vip: IpAddress | undefined;
  /** Undefined: the check goes over no network. */
  readonly wish: Wish | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

export interface PlannedCheck {
  /** The check without its times: one with the same key goes on with its state. */
  readonly key: string;
  readonly label: string;
  readonly check: Check;
  readonly timing: CheckTiming;
  readonly judging: Pick<Judging, 'rise' | 'fall' | 'initially'> & { readonly damping: Damping | undefined };
  /** The same for checks of all services that one run answers. */
  readonly run: string;
  /** Or why it cannot be made. */
  readonly spot: Spot | string;
}

export interface PlannedServer {
  readonly service: string;
  readonly address: IpAddress;
  /** What it was planned from. */
  readonly destination: Destination;
  readonly checks: readonly PlannedCheck[];
}

/** Where a service's packets go, as far as it is one place. */
interface Face {
  readonly vip?: IpAddress | undefined;
  readonly port?: number | undefined;
  readonly protocol: Protocol;
}

/** The real servers of a service that are checked. */
export interface ServicePlan {
  readonly name: string;
  readonly face: Face;
  readonly health: HealthPolicy;
  readonly servers: ReadonlyMap<IpAddress, PlannedServer>;
}

/**
 * Returns the plan of a service. What is as it was is the same object as before: a change of one real server among thousands
 * costs little more than itself.
 *
 * @param before the plan of the service with this name, before a change
 */
export function planService(
  service: AnyService & { readonly health: HealthPolicy },
  name: string,
  rules: readonly MarkRule[] = [],
  before?: ServicePlan,
): ServicePlan {
  const { health, destinations } = service;
  const face = isMarkKey(service) ? faceOfMark(service, rules) : faceOf(service);
  const same =
    before !== undefined && isDeepStrictEqual(before.face, face) && isEqual(before.health, health)
      ? before.servers
      : undefined;
  const servers = new Map<IpAddress, PlannedServer>();
  const common = commonOf(service, undefined, health.checks);
  let kept = 0;
  for (const destination of destinations) {
    const { address, health: own } = destination;
    const known = same?.get(address);
    if (known !== undefined && isSameTarget(known.destination, destination)) {
      kept += 1;
      servers.set(address, known);
      continue;
    }
    const each = own === undefined ? common : commonOf(service, own, own.checks ?? health.checks);
    if (each.length > 0) {
      const checks = each.map((check) => planCheck(service, face, destination, check));
      servers.set(address, { service: name, address, destination, checks });
    }
  }
  const isSame = same !== undefined && kept === servers.size && kept === same.size;
  return { name, face, health, servers: isSame ? same : servers };
}

/** Whether checks are the same at both: a weight is none of their business. */
function isSameTarget(a: Destination, b: Destination): boolean {
  return (
    a === b ||
    (a.address === b.address &&
      a.mac === b.mac &&
      a.interface === b.interface &&
      isEqual(a.vlan, b.vlan) &&
      isEqual(a.health, b.health))
  );
}

function isEqual(a: object | undefined, b: object | undefined): boolean {
  return a === b || isDeepStrictEqual(a, b);
}

function faceOf({ address, port, protocol }: Face & { readonly address: IpAddress; readonly port: number }): Face {
  return { vip: address, port: port === 0 ? undefined : port, protocol };
}

/** Rules that all say one address, or one port, make it that of the service. */
function faceOfMark({ mark, family }: MarkService, rules: readonly MarkRule[]): Face {
  const matches = rules
    .filter((rule) => rule.mark === mark && familyOf(rule.match.address) === family)
    .map(({ match }) => match);
  const [first] = matches;
  if (first === undefined) {
    return { protocol: 'tcp' };
  }
  const isOne = matches.every(
    ({ address, prefixLength }) => address === first.address && prefixLength === addressBits(family),
  );
  const isOnePort = matches.every(
    ({ firstPort, lastPort }) => firstPort === first.firstPort && lastPort === firstPort && firstPort > 0,
  );
  return {
    protocol: first.protocol,
    ...(isOne && { vip: first.address }),
    ...(isOnePort && { port: first.firstPort }),
  };
}

/** What a check has at each real server that has no health of its own: made once for all of them. */
type Common = Omit<PlannedCheck, 'run' | 'spot'>;

function commonOf({ health }: AnyService, own: RealServerHealth | undefined, checks: readonly Check[]): Common[] {
  const labels = new Map<string, number>();
  const keys = new Map<string, number>();
  return checks.map((check) => {
    const timing = timingOf(check, health, own);
    const { rise, fall } = timing;
    const initially = own?.initially ?? health?.initially ?? 'up';
    return {
      key: numbered(keys, keyOf(check)),
      label: numbered(labels, check.port === undefined ? check.type : `${check.type} ${check.port}`),
      check,
      timing,
      judging: { rise, fall, initially, damping: health?.damping },
    };
  });
}

function planCheck(service: AnyService, face: Face, destination: Destination, common: Common): PlannedCheck {
  const spot = spotOf(service, face, destination, common.check);
  if (typeof spot === 'string') {
    return { ...common, run: '', spot };
  }
  const { target, rip, vip, wish, environment } = spot;
  const { interval, timeout, fastInterval, jitter } = common.timing;
  const run = [
    ...[
      target.address,
      target.port,
      target.protocol,
      rip,
      vip,
      wish?.key,
      interval,
      timeout,
      fastInterval,
      jitter,
      common.key,
    ],
    // Programs are told the service.
    ...Object.values(environment),
  ].join(' ');
  return { ...common, run, spot };
}

/** "http", then "http #2". */
function numbered(counts: Map<string, number>, text: string): string {
  const count = (counts.get(text) ?? 0) + 1;
  counts.set(text, count);
  return count === 1 ? text : `${text} #${count}`;
}

function spotOf(service: AnyService, face: Face, destination: Destination, check: Check): Spot | string {
  const { address, mac, vlan, interface: device } = destination;
  const toVip = check.via !== 'rip';
  const rip = toVip ? address : (check.address ?? address);
  const port = check.port ?? face.port;
  const isProgram = check.type === 'exec' || (check.type === 'agent' && check.by === 'exec');
  if (isProgram || check.type === 'file') {
    const at = face.vip ?? rip;
    const target: Target = { address: at, family: familyOf(at), port: port ?? 0, protocol: face.protocol };
    const environment = isProgram ? checkEnvironment(service, address, check, port ?? 0) : {};
    return { target, rip, vip: undefined, wish: undefined, environment };
  }
  const at = toVip ? face.vip : rip;
  if (at === undefined) {
    return 'its mark is that of no single address: it can only be checked with "via: rip"';
  }
  if (port === undefined && check.type !== 'ping') {
    return 'the service has no single port: the check needs one';
  }
  const own = rip === address ? { mac, vlan, device } : {};
  const key = [rip, toVip ? 'vip' : 'rip', own.mac, own.vlan?.outer, own.vlan?.id, own.device].join(' ');
  return {
    target: { address: at, family: familyOf(at), port: check.type === 'ping' ? 0 : port!, protocol: face.protocol },
    rip,
    vip: toVip ? at : undefined,
    wish: { key, rip, toVip, ...own },
    environment: {},
  };
}

/** What else a check has is of its times. */
const TIMES = ['interval', 'timeout', 'fastInterval', 'jitter', 'rise', 'fall', 'every'];
const keys = new WeakMap<Check, string>();

/** Returns what a check is, whatever its times and the order of its settings. */
export function keyOf(check: Check): string {
  let key = keys.get(check);
  if (key === undefined) {
    const { type, ...settings } = check;
    key = `${type} ${canonical(Object.fromEntries(Object.entries(settings).filter(([name]) => !TIMES.includes(name))))}`;
    keys.set(check, key);
  }
  return key;
}

function canonical(value: object): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

/** Returns the VIPs of a model: no check may have one as its source. */
export function vipsOf(model: Model): ReadonlySet<IpAddress> {
  return new Set([
    ...model.services.map(({ address }) => address),
    ...(model.markRules ?? []).map(({ match }) => match.address),
  ]);
}
