/** Warnings about VRRP: what takes long or gets lost when another director takes over. Pure. */

import { allServices, type AnyService, type Model } from './model.js';
import { isHashing } from './scheduler.js';
import { serviceName } from './service-name.js';
import { virtualRouters, vipsOf } from './virtual-routers.js';
import type { VrrpInstance } from './vrrp.js';
import type { Warning } from './warning.js';

/** A client does not notice a longer pause than this, and keepalived needs a few milliseconds in any case. */
const SHORT_SECONDS = 0.1;

export function vrrpWarnings(model: Model): Warning[] {
  return model.vrrp === undefined
    ? []
    : [...model.vrrp.instances.flatMap(slowTakeover), ...withoutRouter(model), ...lostFlows(model)];
}

/** RFC 9568, 6.1: a standby that hears that the master ends waits for its skew time. */
function slowTakeover({ name, priority, interval }: VrrpInstance): Warning[] {
  const seconds = ((256 - priority) / 256) * interval;
  return seconds <= SHORT_SECONDS
    ? []
    : [
        {
          code: 'VRRP_TAKEOVER_SLOW',
          message:
            `vrrp ${name}: as a standby with priority ${priority} this director waits ${seconds.toFixed(2)} s after the ` +
            'master has ended, before it takes over',
          remedy: 'give all directors high priorities, such as 250 and 240, or a shorter "interval"',
        },
      ];
}

function withoutRouter(model: Model): Warning[] {
  const carried = new Set(virtualRouters(model).flatMap(({ addresses }) => addresses));
  return vipsOf(model)
    .filter((vip) => !carried.has(vip))
    .map((vip) => ({
      code: 'VIP_WITHOUT_ROUTER',
      vip,
      message: `${vip}: no VRRP instance has this VIP, so that no other director takes it over`,
      remedy: 'add it to "addresses" of an instance of its family, or leave "addresses" and "family" out',
    }));
}

/** One warning, whatever the number of services: they have the same reason and the same remedy. */
function lostFlows(model: Model): Warning[] {
  // With flow hand-over it knows.
  const lost = model.flowHandOver === undefined ? allServices(model).filter(isUnknownElsewhere) : [];
  const [first] = lost;
  if (first === undefined) {
    return [];
  }
  const others = lost.length - 1;
  const name = serviceName(first);
  const what = others === 0 ? name : `${name} and ${others} other ${others === 1 ? 'service' : 'services'}`;
  const why = first.persistence === undefined ? `the scheduler ${first.scheduler} chose` : 'persistence remembers';
  return [
    {
      code: 'FLOWS_LOST_AT_FAILOVER',
      service: name,
      message: `${what}: a standby does not know which real servers ${why}: their connections are reset when it takes over`,
      remedy:
        'where that matters, let the directors tell each other of their flows ("flowHandOver"), or take maglev, sh or mh without ' +
        '"persistence": every director computes the same from them',
    },
  ];
}

/** Whether a flow's real server follows from what this director remembers. Under dh and fo all flows of a VIP have one. */
function isUnknownElsewhere({ scheduler, persistence, onePacket, destinations }: AnyService): boolean {
  const followsFromConfiguration = isHashing(scheduler) || scheduler === 'dh' || scheduler === 'fo';
  return onePacket !== true && destinations.length > 1 && (persistence !== undefined || !followsFromConfiguration);
}
