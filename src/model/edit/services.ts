/** Edits of services: adds, changes and deletes them. */

import { BeelineError } from '../error.js';
import type { AnyService, Model } from '../model.js';
import { isHashing } from '../scheduler.js';
import type { MarkService, Service } from '../service.js';
import { type AnyServiceKey, serviceName, isMarkKey } from '../service-name.js';
import { checkMark, checkPolicy, checkVip, findService, serviceOf } from './checks.js';
import { type EditPolicy } from './types.js';

/** Returns the model with one service changed, or without it if `change` returns undefined. */
export function withService(
  model: Model,
  key: AnyServiceKey,
  change: (service: AnyService) => AnyService | undefined,
): Model {
  const before = findService(model, key);
  const after = change(before);
  const replace = <Each extends AnyService>(services: readonly Each[]): Each[] => {
    const index = services.indexOf(before as Each);
    // `change` returns a service of the same kind.
    return after === undefined ? services.toSpliced(index, 1) : services.with(index, after as Each);
  };
  return isMarkKey(key)
    ? { ...model, markServices: replace(model.markServices ?? []) }
    : { ...model, services: replace(model.services) };
}

export function addService(model: Model, key: AnyServiceKey, policy: EditPolicy): Model {
  if (serviceOf(model, key) !== undefined) {
    throw new BeelineError('SERVICE_EXISTS', `there is a service ${serviceName(key)} already`);
  }
  if (isMarkKey(key)) {
    checkMark(key.mark);
    const service: MarkService = { mark: key.mark, family: key.family, ...policyOf(policy), destinations: [] };
    checkPolicy(service);
    return { ...model, markServices: [...(model.markServices ?? []), service] };
  }
  const { address, port, protocol } = key;
  checkVip(model, key);
  const service: Service = { address, port, protocol, ...policyOf(policy), destinations: [] };
  checkPolicy(service);
  return { ...model, services: [...model.services, service] };
}

/** Leaves out defaults, so that equal policies are equal objects. */
function policyOf({ scheduler, flags = [], persistence, onePacket = false }: EditPolicy): EditPolicy {
  return {
    scheduler,
    ...(flags.length === 0 ? {} : { flags }),
    ...(persistence === undefined
      ? {}
      : {
          persistence: {
            timeout: persistence.timeout,
            ...(persistence.mask === undefined ? {} : { mask: persistence.mask }),
          },
        }),
    ...(onePacket ? { onePacket } : {}),
  };
}

/** Replaces the part that ipvsadm knows. Drops settings that only Beeline knows if they no longer fit. */
export function changePolicy(service: AnyService, policy: EditPolicy): AnyService {
  const next = policyOf(policy);
  const { scheduler: _scheduler, flags: _flags, persistence: _persistence, onePacket: _onePacket, ...kept } = service;
  const { track, slots, ...others } = kept;
  const canMove = isHashing(next.scheduler) && next.persistence === undefined;
  const changed: AnyService = {
    ...others,
    ...next,
    ...(track === undefined || next.onePacket === true || (track === 'moved' && !canMove) ? {} : { track }),
    ...(slots === undefined || next.scheduler !== 'maglev' ? {} : { slots }),
  };
  checkPolicy(changed);
  return changed;
}
