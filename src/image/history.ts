/** Histories: the real servers that a service had over time, and everything else that its slots follow from. */

import { isMarkKey, hashesPort, type IpAddress, type Timeouts, withDefaults } from '../model/index.js';
import type { Epoch, History, Windows } from './epoch.js';
import { isInRing, keepsFlows } from './held.js';
import type { CompiledService } from './image.js';
import { greatestCommonDivisor } from './ipvs-hash.js';
import { rememberRing } from './owners.js';

/**
 * The most epochs that are kept. If a service changes all the time, the shortest ones in between are forgotten. Each costs
 * memory and time in proportion to the ring: a ring of a million slots has 32.
 */
export const MAX_EPOCHS = 100;
const MOST_SLOTS_KEPT = 1 << 25;

export function windowsOf({ service }: CompiledService, common: Timeouts): Windows {
  const { udp, established, synReceived } = withDefaults(common, service.timeouts);
  const isUdp = !isMarkKey(service) && service.protocol === 'udp';
  return {
    handshake: service.scheduler === 'maglev' && !isUdp ? 1000 * synReceived : 0,
    silence: 1000 * (isUdp ? udp : established),
  };
}

/** Adds a service's present state to its history. Returns the same object if nothing changed. */
export function advance(history: History | undefined, compiled: CompiledService, now: number): History {
  const epoch = epochOf(compiled, now);
  const last = history?.at(-1);
  if (history === undefined || last === undefined) {
    return [epoch];
  }
  if (last.scheduler !== epoch.scheduler || hashesPort(last) !== hashesPort(epoch)) {
    // Packets now fall on other slots: only flows that are remembered can stay where they are.
    return [{ ...epoch, marks: !epoch.tracks }];
  }
  if (isSameEpoch(last, epoch)) {
    return history;
  }
  const there = new Set(keepersOf(epoch));
  const gone = keepersOf(last).filter((address) => !there.has(address));
  const all = [...history, { ...epoch, marks: last.tracks && !epoch.tracks, gone }];
  const most = Math.min(MAX_EPOCHS, Math.floor(MOST_SLOTS_KEPT / epoch.slots));
  return all.length <= most ? all : withoutShortest(all);
}

/**
 * Drops the shortest epoch between the first and the last, as if the one after it had come at once. The first one stays:
 * flows without an entry are mostly of the oldest owners. Those that began in the epoch that is dropped have an entry where
 * it moved slots, and elsewhere their owner is that of the epochs around it.
 */
function withoutShortest(history: readonly Epoch[]): History {
  const durations = history.slice(1, -1).map(({ at }, i) => history[i + 2]!.at - at);
  const shortest = 1 + durations.indexOf(Math.min(...durations));
  const [dropped, after] = [history[shortest]!, history[shortest + 1]!];
  const merged = {
    ...after,
    marks: dropped.marks || after.marks,
    gone: [...new Set([...dropped.gone, ...after.gone])],
  };
  return history.toSpliced(shortest, 2, merged);
}

/** The real servers that keep their flows. */
function keepersOf({ members, held = [] }: Epoch): IpAddress[] {
  return [...members.map(([address]) => address), ...held];
}

function epochOf(compiled: CompiledService, at: number): Epoch {
  const { service, destinations, routes, slots, tracks } = compiled;
  const { scheduler, flags = [] } = service;
  const members = destinations.flatMap((each, i) =>
    isInRing(each, routes[i]!) ? [[each.address, each.weight] as const] : [],
  );
  const port = scheduler === 'mh' && !isMarkKey(service) ? service.port : 0;
  const held = destinations.flatMap((each, i) =>
    keepsFlows(compiled, i) && !isInRing(each, routes[i]!) ? [each.address] : [],
  );
  rememberRing(members, compiled);
  const base = { at, scheduler, port, flags, slots, tracks, marks: false, members, gone: [] };
  return held.length === 0 ? base : { ...base, held };
}

type Members = Epoch['members'];

/** Whether weights give the same slots. To maglev their proportions do: a slow start multiplies all of them. */
function hasSameWeights(scheduler: Epoch['scheduler'], before: Members, after: Members): boolean {
  if (before.every(([, weight], i) => after[i]![1] === weight)) {
    return true;
  }
  const unitOf = (members: Members): number =>
    members.reduce((unit, [, weight]) => greatestCommonDivisor(unit, weight), 0);
  const [was, is] = [unitOf(before), unitOf(after)];
  return scheduler === 'maglev' && before.every(([, weight], i) => weight * is === after[i]![1] * was);
}

/** Whether two epochs of one scheduler have the same slots. */
function isSameEpoch(last: Epoch, { slots, tracks, flags, members, held = [] }: Epoch): boolean {
  return (
    last.slots === slots &&
    last.tracks === tracks &&
    last.flags.join() === flags.join() &&
    (last.held ?? []).join() === held.join() &&
    last.members.length === members.length &&
    last.members.every(([address], i) => members[i]![0] === address) &&
    hasSameWeights(last.scheduler, last.members, members)
  );
}
