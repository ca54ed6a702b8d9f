/** Warnings about edits: consequences that IPVS does not mention. */

import { addressBits, familyOf } from '../address.js';
import { isSameRule, markMatchName, overlap } from '../mark.js';
import type { Model } from '../model.js';
import type { MarkMatch, MarkRule, Service } from '../service.js';
import { serviceName, type AnyServiceKey, isMarkKey } from '../service-name.js';
import { findService, isSameService } from './checks.js';
import { type Edit } from './types.js';

/**
 * Returns warnings about an edit, each a sentence or two.
 *
 * @param model the model after the edit
 */
export function editWarnings(model: Model, change: Edit): string[] {
  switch (change.kind) {
    case 'add-service':
    case 'edit-service':
      return [
        ...weightWarnings(model, change.service),
        ...markWarnings(model, change.service),
        ...(change.kind === 'add-service' ? takenWarnings(model, isOfService(change.service)) : []),
      ];
    case 'add-destination':
    case 'edit-destination':
      return weightWarnings(model, change.service);
    case 'delete-service':
    case 'delete-destination':
    case 'clear':
    case 'set-timeouts':
    case 'delete-mark-rule':
    case 'clear-mark-rules':
      return [];
    case 'add-mark-rule':
      return takenWarnings(model, (_service, rule) => isSameRule(rule, change.rule));
  }
}

/** Returns whether an edit is about a service and a rule. */
type IsMeant = (service: Service, rule: MarkRule) => boolean;

function isOfService(key: AnyServiceKey): IsMeant {
  return (service, rule) =>
    isMarkKey(key)
      ? rule.mark === key.mark && familyOf(rule.match.address) === key.family
      : isSameService(service, key);
}

/** Warns that marks come before services of the same address and port, if the one or the other is new. */
function takenWarnings({ services, markServices = [], markRules = [] }: Model, isMeant: IsMeant): string[] {
  return markRules.flatMap((rule) => {
    const { mark, match } = rule;
    const family = familyOf(match.address);
    if (!markServices.some((each) => each.mark === mark && each.family === family)) {
      return [];
    }
    return services
      .filter((service) => isMeant(service, rule) && overlap(match, matchOf(service)))
      .map(
        (service) =>
          `packets of ${markMatchName(match)} go to ${serviceName({ mark, family })}, not to ${serviceName(service)}: ` +
          'marks come first.',
      );
  });
}

function matchOf({ protocol, address, port }: Service): MarkMatch {
  const prefixLength = addressBits(familyOf(address));
  return { protocol, address, prefixLength, firstPort: port, lastPort: port === 0 ? 0xffff : port };
}

function weightWarnings(model: Model, key: AnyServiceKey): string[] {
  const { scheduler, destinations } = findService(model, key);
  return scheduler === 'rr' && destinations.some(({ weight }) => weight > 1)
    ? [
        `${serviceName(key)}: rr gives every real server the same number of flows, whatever its weight; wrr goes by weights.`,
      ]
    : [];
}

function markWarnings({ markRules = [] }: Model, key: AnyServiceKey): string[] {
  if (!isMarkKey(key)) {
    return [];
  }
  const { mark, family } = key;
  if (markRules.some((rule) => rule.mark === mark && familyOf(rule.match.address) === family)) {
    return [];
  }
  const example = family === 6 ? 'tcp:[fd00::100]:80' : 'tcp:192.168.1.100:80';
  return [
    `${serviceName(key)}: no packet gets this mark yet; netfilter's marks come too late. ` +
      `Add a rule: beeline mark add ${mark} --match '${example}'.`,
  ];
}
