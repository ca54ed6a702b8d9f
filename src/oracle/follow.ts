/** Flows from their first packet to their last: the twin of bpf/follow.h. */

import { type CompiledService, keepsFlows, SLOT_MARKED, SLOT_UNMOVED } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';
import { isHashing } from '../model/index.js';
import { type Entry, flowKey } from './flow_entry.js';
import { findFlow } from './flow_lookup.js';
import { changeEntry, storeFlow } from './flow_store.js';
import { loadName, loadOf, recallLoads } from './load.js';
import type { Maps } from './maps.js';
import { clientOf, type Packet } from './parse.js';
import { cursorOf, reachableIndex, scheduledOf, takingIndex } from './policy.js';
import { schedule } from './schedule.js';
import { hashedSlot, slotOwner } from './schedule_table.js';
import { beginsNothing, isLasting, isYoung, type LiveState, stateAfter } from './state.js';
import { findTemplate, storeTemplate } from './template.js';

/** Where a packet's flow goes: a destination's index, or why there is none. */
export interface Followed {
  readonly index?: number;
  /** The service that has the destination, if it is another than the packet's: its first fragment went there. */
  readonly elsewhere?: CompiledService;
  readonly verdict?: VerdictName;
  readonly opens: boolean;
}

/** A packet whose flow is followed, and what is found on the way. */
interface Query {
  readonly maps: Maps;
  readonly service: CompiledService;
  readonly packet: Packet;
  /** The destination that the flow's slot leads to is at its threshold. */
  diverted: boolean;
}

export function follow(maps: Maps, service: CompiledService, packet: Packet): Followed {
  const query = { maps, service, packet, diverted: false };
  const { tracks, service: asked } = service;
  const previous = previousOf(service, packet);
  if (asked.onePacket === true || (!tracks && previous === SLOT_UNMOVED)) {
    if (beginsNothing(packet.event)) {
      return followPassive(query, undefined);
    }
    const opens = asked.onePacket === true || packet.event === 'syn';
    return withIndex(choose(query), opens);
  }
  const entry = findFlow(maps, service, packet);
  if (entry !== undefined) {
    return followKnown(query, entry);
  }
  if (beginsNothing(packet.event)) {
    return followPassive(query, previousIndex(service, previous));
  }
  return isHashing(asked.scheduler) ? beginHashed(query, previous) : beginScheduled(query);
}

/** Whether a flow's destination turns away the SYN that finds the flow. */
function turnsAway({ maps, service }: Query, { address, state }: Entry, index: number): boolean {
  recallLoads(maps, service);
  const { overloaded } = loadOf(maps, loadName(service, address));
  return !takesNew(service, index) || (overloaded && state !== 'syn-recv');
}

/** A packet that opens nothing, and whose flow has no entry: it is never scheduled by itself. */
function followPassive(query: Query, otherwise: number | undefined): Followed {
  const { maps, service, packet } = query;
  const { persistence, scheduler } = service.service;
  const template = persistence === undefined ? undefined : findTemplate(maps, service, packet);
  const hashes = isHashing(scheduler);
  const kept = takingIndex(service, template?.address);
  const went = kept === undefined ? followFirst(maps, packet) : undefined;
  if (went !== undefined) {
    return went;
  }
  const index = kept ?? otherwise ?? (hashes ? choose(query) : undefined);
  return index === undefined ? { ...(!hashes && { verdict: 'no-flow' }), opens: false } : { index, opens: false };
}

/** Where a later fragment's first one went, if that takes packets, whatever service the fragment is for by now. */
export function followFirst({ image }: Maps, { firstWent, firstService }: Packet): Followed | undefined {
  const elsewhere = image.services.find(({ name }) => name === firstService);
  const index = elsewhere && takingIndex(elsewhere, firstWent);
  return index === undefined ? undefined : { index, elsewhere: elsewhere!, opens: false };
}

/** A packet whose flow has an entry. @param isGhost whether its service was removed */
export function followKnown(query: Query, entry: Entry, isGhost = false): Followed {
  const { maps, service, packet } = query;
  const { state } = entry;
  const syn = packet.event === 'syn';
  let opens = (state === 'time-wait' || state === 'close') && syn;
  const before = takingIndex(service, entry.address);
  let next = stateAfter(state, packet.event, maps.now() - entry.seen);
  const leaves = before === undefined || opens || (syn && turnsAway(query, entry, before));
  if (leaves && isGhost) {
    return { verdict: opens ? 'no-service' : 'service-gone', opens };
  }
  if (beginsNothing(packet.event) && leaves) {
    return followPassive(query, undefined);
  }
  if (packet.event === 'passive') {
    return { index: before!, opens };
  }
  const index = leaves ? assign(query, undefined) : before;
  if (index === undefined) {
    return { opens };
  }
  // A template may lead it back.
  if (syn && index !== before) {
    opens = true;
    next = 'syn-recv';
  }
  changeEntry(maps, service, entry, index, next);
  const known = next === 'unconfirmed' || isYoung(next) || isLasting(next);
  if (service.service.persistence !== undefined && next !== state && known) {
    promoteTemplate(maps, findTemplate(maps, service, packet), next);
  }
  return { index, opens };
}

/** What a flow's next state says about its client's template. */
function promoteTemplate(maps: Maps, template: Entry | undefined, state: LiveState): void {
  if (template === undefined) {
    return;
  }
  if (isLasting(state) || isLasting(template.state)) {
    template.state = 'template-lasting';
  } else {
    template.state = 'template';
    template.seen = maps.now();
  }
}

/** A packet whose flow has no entry, under a scheduler that finds the slot of every packet by a hash. */
function beginHashed(query: Query, previous: number): Followed {
  const { maps, service, packet } = query;
  const { event } = packet;
  const before = previousIndex(service, previous);
  const isDrained = before !== undefined && !takesNew(service, before);
  const begins = event === 'syn' || event === 'initial' || (event === 'datagram' && isDrained);
  const index = assign(query, begins ? undefined : before);
  const stays = service.tracks || before !== undefined;
  let opens = event === 'syn';
  if (index === undefined) {
    return { opens };
  }
  const key = flowKey(service, packet);
  if (event === 'datagram' || event === 'initial') {
    opens = stays;
    if (stays) {
      storeFlow(maps, service, packet, key, index, 'udp-new');
    }
  } else if (event === 'syn' && (before !== undefined || query.diverted || countsSyns(service))) {
    storeFlow(maps, service, packet, key, index, 'syn-recv');
  } else if (event === 'ack' && stays) {
    storeFlow(maps, service, packet, key, index, 'unconfirmed');
  }
  return { index, opens };
}

/** Under sh and mh a connection counts from its SYN on, as in IPVS; maglev stores none of a flood of SYNs. */
function countsSyns({ tracks, service: { scheduler } }: CompiledService): boolean {
  return tracks && scheduler !== 'maglev';
}

/** A packet whose flow has no entry, under the other schedulers. */
function beginScheduled(query: Query): Followed {
  const { maps, service, packet } = query;
  const datagram = packet.event === 'datagram' || packet.event === 'initial';
  if (!datagram && packet.event !== 'syn') {
    return { verdict: 'no-flow', opens: false };
  }
  const index = assign(query, undefined);
  if (index === undefined) {
    return { opens: false };
  }
  storeFlow(maps, service, packet, flowKey(service, packet), index, datagram ? 'udp-new' : 'syn-recv');
  return { index, opens: true };
}

/** The state of a template whose client begins another flow. */
function templateAfter(maps: Maps, { state, seen }: Entry): LiveState {
  return state === 'template' && maps.now() > seen ? 'template-lasting' : state;
}

/** The destination of the client's other flows where a service is persistent; else `otherwise`, or the scheduler's choice. */
function assign(query: Query, otherwise: number | undefined): number | undefined {
  const { maps, service, packet } = query;
  const persistent = service.service.persistence !== undefined;
  const template = persistent ? findTemplate(maps, service, packet) : undefined;
  const kept = template && reachableIndex(service, template.address);
  if (template !== undefined && kept !== undefined) {
    changeEntry(maps, service, template, kept, templateAfter(maps, template));
    return kept;
  }
  const index = otherwise ?? choose(query);
  if (index !== undefined && template !== undefined) {
    changeEntry(maps, service, template, index, templateAfter(maps, template));
  } else if (index !== undefined && persistent) {
    storeTemplate(maps, service, packet, index);
  }
  return index;
}

/** The scheduler's choice. */
function choose(query: Query): number | undefined {
  const { maps, service, packet } = query;
  const { destinations } = service;
  const { cursors, members } = maps.memory;
  const begins = packet.event === 'syn' || packet.event === 'datagram' || packet.event === 'initial';
  const client = clientOf(packet);
  const nameOf = (index: number): string => loadName(service, destinations[index]!.address);
  recallLoads(maps, service);
  const cursor = cursorOf(maps, service);
  const cached = destinations.findIndex(({ address }) => address === cursor.cached);
  const state = { count: cursor.count, cached: cached < 0 ? undefined : cached };
  const owner = isHashing(service.service.scheduler) ? slotOwner(scheduledOf(service), client) : undefined;
  query.diverted = owner !== undefined && loadOf(maps, nameOf(owner)).overloaded;
  const index = schedule(
    scheduledOf(service),
    client,
    (each) => loadOf(maps, nameOf(each)),
    state,
    (each) => members.set(nameOf(each), members.size + 1),
    !begins,
  );
  cursors.set(service.name, {
    count: state.count,
    cached: state.cached === undefined ? undefined : destinations[state.cached]!.address,
  });
  return index;
}

/** The word that a change left of the flow's slot. */
function previousOf(service: CompiledService, packet: Packet): number {
  const { previous } = service;
  return previous?.[hashedSlot(scheduledOf(service), clientOf(packet))] ?? SLOT_UNMOVED;
}

/** The slot's previous destination when it still takes packets. */
function previousIndex(service: CompiledService, previous: number): number | undefined {
  return previous < SLOT_MARKED && keepsFlows(service, previous) ? previous : undefined;
}

/** Whether a destination still takes new flows. */
function takesNew({ destinations, routes }: CompiledService, index: number): boolean {
  return routes[index]!.action !== 'none' && destinations[index]!.weight > 0;
}

function withIndex(index: number | undefined, opens: boolean): Followed {
  return index === undefined ? { opens } : { index, opens };
}
