/** Computes what a switch to another configuration would do: which slots move, and which flows end. Pure. */

import type { FlowsAtRisk, PlanReport, ServicePlan } from '../../control/index.js';
import type { FlowCounts } from '../../dataplane/index.js';
import type { CompiledService, Image } from '../../image/index.js';
import { diffModels, hashesPort, isHashing, type Model } from '../../model/index.js';
import { drainKeys } from '../reports/drains.js';
import type { Drain } from './drains.js';

export interface PlanSources {
  readonly before: Model;
  /** The drains that run: a configuration ends them. */
  readonly drains: readonly Drain[];
  readonly next: Model;
  /** The image that packets follow now. */
  readonly image: Pick<Image, 'services'>;
  /** The image that they would follow. */
  readonly nextImage: Pick<Image, 'services'>;
  readonly flowCounts: ReadonlyMap<string, readonly FlowCounts[]>;
}

export function planChange({ before, drains, next, image, nextImage, flowCounts }: PlanSources): PlanReport {
  const after = new Map(nextImage.services.map((compiled) => [compiled.name, compiled]));
  const services = image.services.map((compiled) => planService(compiled, after.get(compiled.name), flowCounts));
  const sum = (what: (service: ServicePlan) => number): number =>
    services.reduce((total, service) => total + what(service), 0);
  const slots = sum(({ slots: each }) => each);
  const moved = sum(({ slots: each, moved: share }) => each * share);
  return {
    differences: diffModels(before, next),
    endedDrains: drainKeys(drains),
    moved: slots === 0 ? 0 : moved / slots,
    services: services.filter(({ moved: share, atRisk }) => share > 0 || atRisk.length > 0),
    flowsAtRisk: sum(({ atRisk }) => atRisk.reduce((total, { flows }) => total + flows, 0)),
  };
}

function planService(
  before: CompiledService,
  after: CompiledService | undefined,
  flowCounts: ReadonlyMap<string, readonly FlowCounts[]>,
): ServicePlan {
  const { name, destinations, tracks, service } = before;
  const there = new Set(after?.destinations.map(({ address }) => address));
  const flows = destinations.map((_, i) => {
    const { active = 0, inactive = 0 } = flowCounts.get(name)?.[i] ?? {};
    return active + inactive;
  });
  const uncertain = !tracks && service.onePacket !== true;
  const atRisk = destinations.flatMap(({ address }, i): FlowsAtRisk[] =>
    there.has(address) || (flows[i] === 0 && !uncertain) ? [] : [{ realServer: address, flows: flows[i]!, uncertain }],
  );
  const all = flows.reduce((sum, each) => sum + each, 0);
  return {
    service: name,
    slots: isHashing(service.scheduler) ? (before.ring?.length ?? 0) : 0,
    moved: before === after ? 0 : movedShare(before, after),
    breaksUnremembered:
      uncertain && isHashing(service.scheduler) && after !== undefined && !hasSameSlots(before, after),
    atRisk,
    kept: all - atRisk.reduce((sum, each) => sum + each.flows, 0),
  };
}

/** Whether a flow's slot has the same number in both. */
function hasSameSlots({ service: before }: CompiledService, { service: after }: CompiledService): boolean {
  return after.scheduler === before.scheduler && hashesPort(after) === hashesPort(before);
}

/** Returns which part of the slots would lead to another real server, 0 to 1; 0 if the scheduler does not hash. */
export function movedShare(before: CompiledService, after: CompiledService | undefined): number {
  const { ring, service } = before;
  if (ring === undefined || !isHashing(service.scheduler)) {
    return 0;
  }
  const next = after?.ring;
  if (after === undefined || next === undefined || !hasSameSlots(before, after)) {
    return 1;
  }
  // A slot is the upper bits of a hash, so the smaller of two rings is stretched. All rings of mh have one size.
  const size = Math.max(ring.length, next.length);
  let moved = 0;
  for (let i = 0; i < size; i += 1) {
    const from = before.destinations[ring[Math.floor((i * ring.length) / size)]!]!;
    const to = after.destinations[next[Math.floor((i * next.length) / size)]!]!;
    moved += from.address === to.address ? 0 : 1;
  }
  return moved / size;
}
