/** Warnings about health that follow from the configuration alone. Pure. */

import type { Check } from './check.js';
import type { HealthPolicy } from './health.js';
import { needsOf, targetOf } from './health-rules.js';
import { type AnyService, allServices, type Model } from './model.js';
import { canRamp } from './scheduler.js';
import { isMarkKey, serviceName } from './service-name.js';
import type { Warning } from './warning.js';

/** Returns what is legal, and not what its users expect. */
export function healthWarnings(model: Model): Warning[] {
  return allServices(model).flatMap((service) => {
    const { health } = service;
    return health === undefined
      ? []
      : [
          ...silent(service, health),
          ...asksTheService(service, health),
          ...neverMet(service, health),
          ...neverSlow(service, health),
          ...withoutTarget(service, health, model),
        ];
  });
}

/** Without "reply", a datagram that nobody answers passes. A dead host fails once the kernel has given up to find its MAC. */
function silent(service: AnyService, health: HealthPolicy): Warning[] {
  const lists = listsOf(service, health);
  if (!lists.some(provesNothing)) {
    return [];
  }
  const name = serviceName(service);
  return [
    {
      code: 'CHECK_PROVES_LITTLE',
      service: name,
      message:
        `${name}: a "udp" check without "reply" takes silence for health. It fails where the port is closed; it passes where ` +
        'a firewall or a program that hangs swallows the datagram, and for about 3 s after a host died',
      remedy: 'say in "reply" how the answer begins, or add a check that needs an answer (dns, ping)',
    },
  ];
}

function provesNothing(checks: readonly Check[]): boolean {
  const some = checks.filter(({ type }) => type !== 'file' && type !== 'agent');
  return some.length > 0 && some.every((check) => check.type === 'udp' && check.reply === undefined);
}

function listsOf({ destinations }: AnyService, { checks }: HealthPolicy): (readonly Check[])[] {
  return [checks, ...destinations.flatMap(({ health: own }) => (own?.checks === undefined ? [] : [own.checks]))];
}

/** What listens at the service's own port is the service. A path of its own may be an agent all the same. */
function asksTheService(service: AnyService, health: HealthPolicy): Warning[] {
  const isOfService = (check: Check): boolean =>
    check.type === 'agent' && check.port === undefined && check.by !== 'exec' && check.path === undefined;
  if (!listsOf(service, health).flat().some(isOfService)) {
    return [];
  }
  const name = serviceName(service);
  return [
    {
      code: 'AGENT_PORT_MISSING',
      service: name,
      message: `${name}: an "agent" without "port" asks the service itself, at the service's own port`,
      remedy: 'say in "port" where the agent listens, as in { type: agent, port: 9707 }',
    },
  ];
}

function neverMet(service: AnyService, { quorum }: HealthPolicy): Warning[] {
  const { weight, hysteresis = 0 } = quorum ?? { weight: 1 };
  const all = service.destinations.reduce((sum, each) => sum + each.weight, 0);
  const least = weight + hysteresis;
  if (quorum === undefined || service.destinations.length === 0 || all >= least) {
    return [];
  }
  const name = serviceName(service);
  return [
    {
      code: 'QUORUM_UNREACHABLE',
      service: name,
      message:
        `${name}: the quorum is met from a weight of ${least} on${hysteresis === 0 ? '' : ' (weight and hysteresis)'}, and all ` +
        `real servers together have ${all}: it is lost for ever`,
      remedy: 'make "quorum" smaller, or the weights larger',
    },
  ];
}

function neverSlow(service: AnyService, { slowStart = 0 }: HealthPolicy): Warning[] {
  const isWanted = slowStart > 0 || service.destinations.some(({ health: own }) => (own?.slowStart ?? 0) > 0);
  if (!isWanted || canRamp(service.scheduler)) {
    return [];
  }
  const name = serviceName(service);
  return [
    {
      code: 'SLOW_START_UNUSED',
      service: name,
      message: `${name}: "slowStart" has no effect under the scheduler ${service.scheduler}`,
      remedy: 'take another one, such as maglev, wrr or wlc, or leave "slowStart" out',
    },
  ];
}

/** A mark without a rule: nobody knows its VIP. A rule may come later, by a command. */
function withoutTarget(service: AnyService, health: HealthPolicy, { markRules = [] }: Model): Warning[] {
  if (!isMarkKey(service)) {
    return [];
  }
  const { vip, port } = targetOf(service, markRules);
  const isKnown = listsOf(service, health)
    .flat()
    .map(needsOf)
    .every((needs) => (vip !== undefined || !needs.vip) && (port !== undefined || !needs.port));
  if (isKnown) {
    return [];
  }
  const name = serviceName(service);
  return [
    {
      code: 'CHECK_TARGET_UNKNOWN',
      service: name,
      message: `${name}: no rule gives this mark to one VIP and port, so that its health checks do not know where to go`,
      remedy: 'add a match for one VIP and port, or give the checks "via: rip" and "port"',
    },
  ];
}
