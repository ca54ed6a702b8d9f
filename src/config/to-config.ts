/** Converts a model to the plain values of its configuration file. Pure. */

import {
  DEFAULT_HAND_OVER_PORT,
  type Destination,
  familyOf,
  type FlowHandOver,
  type MarkKey,
  markMatchName,
  type Model,
  type ServicePolicy,
} from '../model/index.js';
import {
  healthSettingsOf,
  policyHealthOf,
  realServerHealthOf,
  shortHealth,
  shortRealServerHealth,
} from './to-config-health.js';
import { vrrpOf } from './to-config-vrrp.js';
import { type Mapping, mapping, type Value } from './value.js';

/** Returns the values of a model's file. Defaults are left out. */
export function configOf(model: Model): Mapping {
  const { interfaces, mode, fragments, vlans, directors, timeouts, flows, health, vrrp, services } = model;
  const { hostClients, clientBridges, flowHandOver } = model;
  const marks = marksOf(model);
  return mapping({
    interfaces,
    mode: mode === 'native' ? undefined : mode,
    fragments,
    vlans,
    directors,
    hostClients,
    clientBridges,
    timeouts: overrides(timeouts),
    flows: overrides(flows),
    health: health && overrides(healthSettingsOf(health)),
    vrrp: vrrp && vrrpOf(vrrp, interfaces[0]),
    flowHandOver: flowHandOver && handOverOf(flowHandOver),
    services: services.map(({ address, port, protocol, ...policy }) =>
      mapping({ address, port, protocol: protocol === 'tcp' ? undefined : protocol, ...policyOf(policy) }),
    ),
    marks: marks.length === 0 ? undefined : marks,
  });
}

function handOverOf({ listen, peer, port, tls }: FlowHandOver): Mapping {
  return mapping({
    listen,
    peer,
    port: port === DEFAULT_HAND_OVER_PORT ? undefined : port,
    ...(tls ?? { plain: true }),
  });
}

/** Returns mark services and mark rules by mark and family: the services first, in their order. */
function marksOf({ markServices = [], markRules = [] }: Model): Mapping[] {
  const rulesOf = ({ mark, family }: MarkKey): string[] =>
    markRules
      .filter(({ mark: each, match }) => each === mark && familyOf(match.address) === family)
      .map(({ match }) => markMatchName(match));
  const entry = (key: MarkKey, policy: object): Mapping =>
    mapping({
      mark: key.mark,
      family: key.family === 6 ? 'ipv6' : undefined,
      match: rulesOf(key),
      ...policy,
    });
  const served = new Set(markServices.map(keyOf));
  const ruled = new Map(
    markRules
      .map(({ mark, match }): MarkKey => ({ mark, family: familyOf(match.address) }))
      .filter((key) => !served.has(keyOf(key)))
      .map((key) => [keyOf(key), key]),
  );
  return [
    ...markServices.map(({ mark, family, ...policy }) => entry({ mark, family }, policyOf(policy))),
    ...[...ruled.values()].map((key) => entry(key, {})),
  ];
}

function keyOf({ mark, family }: MarkKey): string {
  return `${mark} ${family}`;
}

function policyOf(policy: ServicePolicy): Record<string, unknown> {
  const { scheduler, flags, track, persistence, onePacket, timeouts, ttl, noDestination, unresolved, slots } = policy;
  const { health, essential } = policy;
  return {
    scheduler,
    flags,
    track,
    persistence:
      persistence === undefined || persistence.mask !== undefined
        ? persistence && mapping({ ...persistence })
        : persistence.timeout,
    onePacket,
    timeouts: overrides(timeouts),
    ttl,
    noDestination,
    unresolved,
    slots,
    health: health && shortHealth(policyHealthOf(health)),
    essential,
    realServers: policy.destinations.map(realServerOf),
  };
}

/** Returns the address for a real server with nothing else than weight 1. */
function realServerOf({ address, port, weight, mac, interface: name, vlan, ...rest }: Destination): Value {
  const { upperThreshold, lowerThreshold, health: own } = rest;
  const health = own && shortRealServerHealth(realServerHealthOf(own));
  const tags = vlan?.outer === undefined ? vlan?.id : { id: vlan.id, outer: vlan.outer };
  const thresholds = { upperThreshold, lowerThreshold };
  const all = mapping({ address, port, weight, mac, interface: name, vlan: tags, ...thresholds, health });
  return weight === 1 && Object.keys(all).length === 2 ? address : all;
}

function overrides(values: object | undefined): Mapping | undefined {
  const some = values === undefined ? {} : mapping({ ...values });
  return Object.keys(some).length === 0 ? undefined : some;
}
