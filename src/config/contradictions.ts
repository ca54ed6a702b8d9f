/** Finds contradictions: values that are valid by themselves, and not together. */

import {
  type Breach,
  type Family,
  familyOf,
  healthBreaches,
  type IpAddress,
  overlap,
  policyBreaches,
  serviceName,
  targetOf,
  thresholdBreach,
  unusableAddress,
  unusableRealServer,
} from '../model/index.js';
import { handOverProblems } from './contradictions-hand-over.js';
import { essentialProblems, type VrrpParts, vrrpProblems } from './contradictions-vrrp.js';
import type { Path, Problem } from './problem.js';
import type { Config } from './schema.js';
import type { ConfigHandOver } from './schema-hand-over.js';

type ConfigService = Config['services'][number];
type ConfigMark = NonNullable<Config['marks']>[number];
type RealServers = ConfigService['realServers'];

/** The valid parts of a configuration; undefined stands for the invalid ones. */
interface Parts {
  readonly interfaces: readonly string[] | undefined;
  readonly services: readonly (ConfigService | undefined)[];
  readonly marks?: readonly (ConfigMark | undefined)[] | undefined;
  readonly vrrp?: VrrpParts | undefined;
  readonly hostClients?: boolean | undefined;
  readonly clientBridges?: readonly string[] | undefined;
  readonly flowHandOver?: ConfigHandOver | undefined;
}

/** Returns problems in no particular order. */
export function findContradictions(parts: Parts): Problem[] {
  const { interfaces, services, marks = [], vrrp, flowHandOver } = parts;
  const vips = new Set(services.flatMap((service) => service?.address ?? []));
  const firsts = new Map<string, number>();
  const ofServices = services.flatMap((service, i) => {
    if (service === undefined) {
      return [];
    }
    const path = ['services', i];
    const name = serviceName(service);
    const first = firsts.get(name);
    firsts.set(name, first ?? i);
    return [
      ...(first === undefined ? [] : [{ path, message: `is ${name}, the same as services[${first}]` }]),
      ...serviceProblems(service, path),
      ...healthProblems(service, path, vips),
      ...essentialProblems(service, path),
      ...realServerProblems(service.realServers, service.address, path, vips),
      ...(interfaces === undefined ? [] : routeProblems(service.realServers, path, interfaces)),
    ];
  });
  const ofMarks = marks.flatMap((mark, i) =>
    mark === undefined
      ? []
      : [
          ...markProblems(mark, i, marks),
          ...markHealthProblems(mark, ['marks', i], vips),
          ...essentialProblems(mark, ['marks', i]),
          ...realServerProblems(mark.realServers ?? [], familyOfMark(mark), ['marks', i], vips),
          ...(interfaces === undefined ? [] : routeProblems(mark.realServers ?? [], ['marks', i], interfaces)),
        ],
  );
  const ofVrrp = vrrp === undefined ? [] : vrrpProblems(vrrp, interfaces?.[0], vips);
  const ofHandOver = flowHandOver === undefined ? [] : handOverProblems(flowHandOver, vips);
  const ofInterfaces = (interfaces ?? []).flatMap(interfaceProblems);
  return [...ofInterfaces, ...bridgeProblems(parts), ...ofVrrp, ...ofHandOver, ...ofServices, ...ofMarks];
}

function familyOfMark({ family }: ConfigMark): Family {
  return family === 'ipv6' ? 6 : 4;
}

function markProblems(mark: ConfigMark, i: number, all: readonly (ConfigMark | undefined)[]): Problem[] {
  const path = ['marks', i];
  const family = familyOfMark(mark);
  const problems: Problem[] = [];
  const first = all.findIndex((each) => each?.mark === mark.mark && each.family === mark.family);
  if (first !== i) {
    problems.push({ path, message: `is mark ${mark.mark} (${mark.family}), the same as marks[${first}]` });
  }
  mark.match.forEach((match, j) => {
    const at = [...path, 'match', j];
    if (familyOf(match.address) !== family) {
      problems.push({ path: at, message: `must have an IPv${family} address, as "family" is ${mark.family}` });
    }
    const before = all
      .slice(0, i + 1)
      .flatMap((each, k) => (each?.match ?? []).slice(0, k === i ? j : undefined).map((other, l) => ({ other, k, l })))
      .find(({ other }) => overlap(other, match));
    if (before !== undefined) {
      problems.push({ path: at, message: `matches packets that marks[${before.k}].match[${before.l}] matches too` });
    }
  });
  return mark.realServers === undefined ? problems : [...problems, ...markPolicyProblems(mark, path, family)];
}

function markPolicyProblems(mark: ConfigMark, path: Path, family: Family): Problem[] {
  const { realServers = [], track, slots } = mark;
  const problems = [
    ...policyBreaches({ ...mark, family }).map(under(path)),
    ...thresholdProblems(realServers, mark, path),
    ...slotsProblems(slots, realServers, path),
  ];
  return track === 'moved'
    ? [
        ...problems,
        { path: [...path, 'track'], message: 'must be all: a service of marked packets remembers every flow' },
      ]
    : problems;
}

function healthProblems(service: ConfigService, path: Path, vips: ReadonlySet<IpAddress>): Problem[] {
  const { health, realServers, address } = service;
  const isVip = (each: IpAddress): boolean => vips.has(each);
  const target = targetOf(service);
  return healthBreaches({ family: familyOf(address), target, health, realServers, isVip }).map(under(path));
}

function markHealthProblems(mark: ConfigMark, path: Path, vips: ReadonlySet<IpAddress>): Problem[] {
  const { health, realServers = [], match } = mark;
  const family = familyOfMark(mark);
  const rules = match.map((each) => ({ mark: mark.mark, match: each }));
  // Without a match the checks have no target yet: commands may add a rule.
  const target = rules.length === 0 ? undefined : targetOf({ mark: mark.mark, family }, rules);
  const isVip = (each: IpAddress): boolean => vips.has(each);
  return healthBreaches({ family, target, health, realServers, isVip }).map(under(path));
}

/** Finds names that are there twice. */
function interfaceProblems(name: string, i: number, all: readonly string[]): Problem[] {
  const path = ['interfaces', i];
  const first = all.indexOf(name);
  return first === i ? [] : [{ path, message: `is ${name}, the same as interfaces[${first}]` }];
}

function bridgeProblems({ interfaces, hostClients, clientBridges = [] }: Parts): Problem[] {
  const alone: Problem[] =
    clientBridges.length > 0 && hostClients !== true
      ? [{ path: ['clientBridges'], message: 'needs "hostClients: true": containers reach the VIPs as the host does' }]
      : [];
  const each = clientBridges.flatMap((name, i): Problem[] => {
    const path = ['clientBridges', i];
    const first = clientBridges.indexOf(name);
    if (first !== i) {
      return [{ path, message: `is ${name}, the same as clientBridges[${first}]` }];
    }
    const isInterface = interfaces?.includes(name) === true;
    return isInterface
      ? [{ path, message: `is one of "interfaces": what is behind ${name} is a client as others are` }]
      : [];
  });
  return [...alone, ...each];
}

function serviceProblems(service: ConfigService, path: Path): Problem[] {
  const { address, slots, realServers } = service;
  const problems = [
    ...policyBreaches({ ...service, family: familyOf(address) }).map(under(path)),
    ...thresholdProblems(realServers, service, path),
    ...slotsProblems(slots, realServers, path),
  ];
  const reason = unusableAddress(address);
  return reason === undefined
    ? problems
    : [...problems, { path: [...path, 'address'], message: `cannot be a VIP: ${reason}` }];
}

/** Returns a function from a broken rule to a problem at a path. */
function under(at: Path): (breach: Breach) => Problem {
  return ({ path, message }) => ({ path: [...at, ...path], message });
}

function thresholdProblems(
  realServers: RealServers,
  policy: Parameters<typeof thresholdBreach>[1],
  path: Path,
): Problem[] {
  return realServers.flatMap((server, i) => {
    const breach = thresholdBreach({ upperThreshold: undefined, lowerThreshold: undefined, ...server }, policy);
    return breach === undefined ? [] : [under([...path, 'realServers', i])(breach)];
  });
}

function slotsProblems(slots: number | undefined, { length }: RealServers, path: Path): Problem[] {
  return slots === undefined || slots >= length
    ? []
    : [{ path: [...path, 'slots'], message: `must be at least the number of real servers, ${length}, not ${slots}` }];
}

/** @param of the VIP, or the family of a mark */
function realServerProblems(
  realServers: RealServers,
  of: IpAddress | Family,
  path: Path,
  vips: Set<IpAddress>,
): Problem[] {
  const family = typeof of === 'number' ? of : familyOf(of);
  const firsts = new Map<IpAddress, number>();
  return realServers.flatMap(({ address }, i) => {
    const at = [...path, 'realServers', i];
    const first = firsts.get(address);
    firsts.set(address, first ?? i);
    if (first !== undefined) {
      return [{ path: at, message: `is ${address}, the same as realServers[${first}] of this service` }];
    }
    if (familyOf(address) !== family) {
      const as = typeof of === 'number' ? '"family" says' : `the VIP ${of} is`;
      return [{ path: at, message: `must be an IPv${family} address as ${as}, not ${address}` }];
    }
    if (vips.has(address)) {
      return [{ path: at, message: `must be the real server's own address; ${address} is a VIP` }];
    }
    const reason = unusableRealServer(address);
    return reason === undefined ? [] : [{ path: at, message: `cannot be a real server: ${reason}` }];
  });
}

/** Finds settings of the route to a real server that do not fit together. */
function routeProblems(realServers: RealServers, path: Path, interfaces: readonly string[]): Problem[] {
  return realServers.flatMap((server, i) => {
    const at = [...path, 'realServers', i, 'interface'];
    const { mac, interface: name } = { mac: undefined, interface: undefined, ...server };
    if (name === undefined) {
      return [];
    }
    if (mac === undefined) {
      return [{ path: at, message: 'needs "mac": without it the host finds the interface' }];
    }
    return interfaces.includes(name)
      ? []
      : [{ path: at, message: `must be one of the director's interfaces, ${interfaces.join(', ')}, not ${name}` }];
  });
}
