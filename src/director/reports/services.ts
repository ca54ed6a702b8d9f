/** Turns images and counters into the reports that commands show. Pure. */

import type {
  RealServerReport,
  RealServerState,
  ReloadReport,
  ServiceReport,
  StatsReport,
  StatusReport,
} from '../../control/index.js';
import type { Counters, FlowCounts } from '../../dataplane/index.js';
import type { CompiledService, Route } from '../../image/index.js';
import {
  allServices,
  askedWeight,
  type AnyService,
  type AnyServiceKey,
  isMarkKey,
  compareIp,
  type Destination,
  type Difference,
  diffModels,
  serviceName,
  isHashing,
  type Model,
  plainText,
} from '../../model/index.js';

export function reportServices(
  services: readonly CompiledService[],
  counters: Counters,
  flowCounts: ReadonlyMap<string, readonly FlowCounts[]>,
): ServiceReport[] {
  const byName = new Map(counters.services.map((service) => [service.name, service]));
  return services.map((compiled) => {
    const { service, name, destinations, routes } = compiled;
    const counted = byName.get(name);
    const shares = slotShares(compiled);
    return {
      ...keyOf(service),
      scheduler: service.scheduler,
      slots: isHashing(service.scheduler) ? (compiled.ring?.length ?? 0) : 0,
      realServers: byAddress(destinations).map((i): RealServerReport => {
        const destination = destinations[i]!;
        const { packets = 0, bytes = 0, flows = 0 } = counted?.destinations[i] ?? {};
        const { active, inactive, persistent } = flowCounts.get(name)?.[i] ?? { active: 0, inactive: 0, persistent: 0 };
        const share = shares[i]!;
        return { ...describe(destination, routes[i]!), share, packets, bytes, flows, active, inactive, persistent };
      }),
      verdicts: counted?.verdicts ?? {},
    };
  });
}

/** Returns what identifies a service. */
function keyOf(service: AnyService): AnyServiceKey {
  if (isMarkKey(service)) {
    return { mark: service.mark, family: service.family };
  }
  const { protocol, address, port } = service;
  return { protocol, address, port };
}

/** Returns indices in the order of the addresses, which is easier to read than a scheduler's. */
function byAddress(destinations: readonly Destination[]): number[] {
  return [...destinations.keys()].sort((a, b) => compareIp(destinations[a]!.address, destinations[b]!.address));
}

function describe(
  destination: Destination,
  route: Route,
): Pick<RealServerReport, 'address' | 'weight' | 'state' | 'reason' | 'mac'> {
  const { address, condition } = destination;
  const reason = route.action === 'none' ? route.reason : condition?.reason;
  return {
    address,
    weight: askedWeight(destination),
    state: stateOf(destination, route),
    ...(reason !== undefined && { reason }),
    ...(route.action === 'forward' && { mac: route.mac }),
  };
}

function stateOf({ weight, condition }: Destination, route: Route): RealServerState {
  const word = condition?.word;
  if (route.action === 'none' && (route.moves !== true || word === undefined)) {
    return 'unresolved';
  }
  if (word !== undefined && word !== 'advised') {
    return word;
  }
  if (weight === 0) {
    return 'drained';
  }
  return route.action === 'local' ? 'local' : 'up';
}

/** Returns each destination's share of the new flows: its slots, or its weight if the scheduler has no slots. */
function slotShares({ ring, destinations, routes }: CompiledService): number[] {
  const parts = new Array<number>(destinations.length).fill(0);
  if (ring === undefined) {
    destinations.forEach(({ weight }, i) => {
      parts[i] = routes[i]!.action === 'none' ? 0 : weight;
    });
  } else {
    for (const index of ring) {
      parts[index]! += destinations[index]!.weight > 0 ? 1 : 0;
    }
  }
  const all = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => (all === 0 ? 0 : part / all));
}

/** Sums up the counters of each service's destinations, with the reasons why other packets were not sent. */
export function reportStats(services: readonly CompiledService[], counters: Counters): StatsReport {
  const byName = new Map(counters.services.map((service) => [service.name, service]));
  return {
    services: services.map(({ name, service }) => {
      const { destinations = [], verdicts = {} } = byName.get(name) ?? {};
      const sum = (what: 'packets' | 'bytes' | 'flows'): number =>
        destinations.reduce((total, counted) => total + counted[what], 0);
      return { ...keyOf(service), packets: sum('packets'), bytes: sum('bytes'), flows: sum('flows'), verdicts };
    }),
    noService: counters.noService,
  };
}

/** A fallback is no real server of its service, unless it is one of them anyway. */
export function isRealServer({ condition }: Destination): boolean {
  return condition?.spare !== true;
}

/** Sums up the counters of all services. */
export function reportTotals(
  services: readonly CompiledService[],
  counters: Counters,
): Pick<StatusReport, 'services' | 'realServers' | 'unresolved' | 'packets' | 'bytes' | 'verdicts'> {
  const destinations = counters.services.flatMap((service) => service.destinations);
  const verdicts: Record<string, number> = {};
  for (const counted of [counters.noService, ...counters.services.map((service) => service.verdicts)]) {
    for (const [name, count] of Object.entries(counted)) {
      verdicts[name] = (verdicts[name] ?? 0) + count;
    }
  }
  return {
    services: services.length,
    realServers: services.reduce((sum, { destinations: all }) => sum + all.filter(isRealServer).length, 0),
    unresolved: services.reduce(
      (sum, { destinations: all, routes }) =>
        sum + all.filter(({ weight }, i) => weight > 0 && routes[i]!.action === 'none').length,
      0,
    ),
    packets: destinations.reduce((sum, { packets }) => sum + packets, 0),
    bytes: destinations.reduce((sum, { bytes }) => sum + bytes, 0),
    verdicts,
  };
}

/** Reports what a new model changes. Services that are the same object in both did not change. */
export function reportReload(before: Model, after: Model): ReloadReport {
  const services = allServices(after);
  const old = new Map(allServices(before).map((service) => [serviceName(service), service]));
  const names = new Set(services.map(serviceName));
  const changed = services.filter((service) => {
    const known = old.get(serviceName(service));
    return known !== undefined && known !== service;
  });
  return {
    services: services.length,
    realServers: services.reduce((sum, { destinations }) => sum + destinations.length, 0),
    added: [...names].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: changed.map(serviceName),
    settings: diffModels(before, after).flatMap(describeSetting),
  };
}

/** "mode native -> generic" */
function describeSetting({ kind, what, field = '', before, after }: Difference): string[] {
  switch (what) {
    case 'setting':
      return [`${field} ${plainText(before)} -> ${plainText(after)}`];
    case 'markRule':
      return [`${field} ${kind === 'added' ? '+' : '-'} ${plainText(after ?? before)}`];
    case 'service':
    case 'realServer':
      return [];
  }
}
