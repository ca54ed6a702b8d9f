/** From the states of a service's real servers to what takes flows: failures, quorum, fallback, panic, slow start. Pure. */

import {
  canRamp,
  type Condition,
  type Destination,
  type HealthPolicy,
  type IpAddress,
  MAX_WEIGHT,
  type Quorum,
  type Scheduler,
} from '../model/index.js';
import { type Advice, adviserText } from './advice.js';
import { UNITS } from './ramp.js';

/** What is known of one real server at one moment. */
export interface ServerView {
  /** Whether it passes its checks; one without checks does. */
  readonly isUp: boolean;
  readonly advice?: Advice | undefined;
  /** An operator took it out. `moves`: its flows go to others at once. */
  readonly disabled?: { readonly reason: string; readonly moves: boolean } | undefined;
  /** The parts of UNITS of its weight that count: fewer while it ramps. */
  readonly units: number;
}

export type ViewOf = (destination: Destination) => ServerView;

export type PoolPolicy = Pick<HealthPolicy, 'onFailure' | 'fallback' | 'panic'>;

/** keepalived's default: a single real server of weight 1 is enough. */
const ONE: Quorum = { weight: 1 };

/**
 * Returns whether the quorum is met. With hysteresis it depends on whether it was met before: a sum between both limits
 * changes nothing (keepalived's update_quorum_state).
 *
 * @param weight the sum of the weights of the real servers that take flows
 */
export function isQuorumMet(
  weight: number,
  { weight: wanted, hysteresis = 0 }: Quorum = ONE,
  wasMet: boolean,
): boolean {
  return wasMet ? weight > 0 && weight >= wanted - hysteresis : weight >= wanted + hysteresis;
}

/** Returns whether a real server may take flows: it is up, its agent says so, and nobody took it out. */
export function isAvailable({ isUp, advice, disabled }: ServerView): boolean {
  return isUp && advice?.state !== 'down' && advice?.state !== 'maint' && disabled === undefined;
}

/** Returns the weight with which a real server takes new flows: 0 if it takes none. */
function weightOf({ weight }: Destination, view: ServerView): number {
  return isAvailable(view) && view.advice?.state !== 'drain' ? advisedWeight(weight, view.advice) : 0;
}

/** Returns the sum of the weights of those that take new flows. */
export function weightUp(destinations: readonly Destination[], viewOf: ViewOf): number {
  return destinations.reduce((sum, each) => sum + weightOf(each, viewOf(each)), 0);
}

/**
 * Returns the destinations that packets follow. Those that nothing happens to are the same objects; so is the list, if nothing
 * happens to any.
 *
 * While the quorum is lost and there is a fallback, new flows go there alone. Real servers that are up keep the flows that
 * they have: there is no reason to break those (keepalived removes them). A fallback stays in the list with weight 0 when it
 * is not needed any more, so that its flows end as they like.
 */
export function poolOf(
  destinations: readonly Destination[],
  scheduler: Scheduler,
  policy: PoolPolicy,
  viewOf: ViewOf,
  quorumMet: boolean,
): readonly Destination[] {
  const { onFailure = 'remove', fallback = [], panic = false } = policy;
  const isReplaced = !quorumMet && !panic && fallback.length > 0;
  const rules: Rules = { removes: onFailure === 'remove', panics: !quorumMet && panic, fallback, isReplaced };
  const own = new Set(destinations.map(({ address }) => address));
  const scale = scaleOf(destinations, scheduler, viewOf);
  const ramps = canRamp(scheduler);
  const all = [
    ...destinations.map((each) => {
      const view = viewOf(each);
      return weighed(each, conditionOf(each, rules, view), ramps ? view.units : UNITS, scale);
    }),
    ...fallback
      .filter((address) => !own.has(address))
      .map((address) => spare(address, viewOf({ address, weight: 1 }).disabled, isReplaced, scale)),
  ];
  return all.length === destinations.length && all.every((each, i) => each === destinations[i]) ? destinations : all;
}

interface Rules {
  readonly removes: boolean;
  readonly panics: boolean;
  readonly fallback: readonly IpAddress[];
  /** The fallback takes all new flows. */
  readonly isReplaced: boolean;
}

const AS_FALLBACK = 'takes new flows: the quorum of the service is lost';

/** Returns what happens to one destination, beside slow start; undefined: nothing. */
function conditionOf(
  { address, weight: configured }: Destination,
  { removes, panics, fallback, isReplaced }: Rules,
  view: ServerView,
): Condition | undefined {
  const { disabled, advice } = view;
  const asked = advisedWeight(configured, advice);
  if (disabled !== undefined) {
    return { ...outOf(disabled), asked, configured };
  }
  if (isReplaced && fallback.includes(address)) {
    // One of the pool may be its fallback too: it takes new flows then, whatever its checks say.
    return { word: 'fallback', reason: AS_FALLBACK, asked: 1, configured };
  }
  if (!view.isUp && panics) {
    const reason = 'fails its checks, and is used all the same: the quorum is lost';
    return { word: 'panic', reason, asked: configured, configured };
  }
  if (!isAvailable(view)) {
    // What an agent says of it is an operator's word, as "disable" is: no panic overrules that.
    const reason = view.isUp ? `${adviserText(advice!)} says "${advice!.state!}"` : 'fails its checks';
    return { word: 'down', reason, asked, configured, ...(removes && { takesNothing: true }) };
  }
  if (isReplaced) {
    const reason = 'keeps its flows, and new ones go to the fallback: the quorum is lost';
    return { word: 'replaced', reason, asked, configured };
  }
  if (advice?.state === 'drain') {
    return { word: 'advised', reason: `${adviserText(advice)} says "drain"`, asked: 0, configured };
  }
  return asked === configured
    ? undefined
    : { word: 'advised', reason: `${adviserText(advice!)} asks for weight ${asked}`, asked, configured };
}

function outOf({
  reason,
  moves,
}: NonNullable<ServerView['disabled']>): Pick<Condition, 'word' | 'reason' | 'takesNothing'> {
  return { word: 'disabled', reason, ...(moves && { takesNothing: true }) };
}

/** An operator's 0 means no new flows, whatever an agent says. */
function advisedWeight(weight: number, { weight: absolute, percent }: Advice = {}): number {
  if (weight === 0 || (absolute === undefined && percent === undefined)) {
    return weight;
  }
  // As in HAProxy, a weight that is not 0 does not become 0 by rounding.
  return Math.min(MAX_WEIGHT, absolute ?? Math.ceil((weight * percent!) / 100));
}

const NO_NEW_FLOWS: ReadonlySet<Condition['word']> = new Set<Condition['word']>(['disabled', 'down', 'replaced']);

/** Returns a destination with the weight that schedulers see. */
function weighed(
  destination: Destination,
  condition: Condition | undefined,
  units: number,
  scale: number,
): Destination {
  const word = condition?.word;
  const configured = destination.weight;
  const asked = condition?.asked ?? configured;
  if (condition !== undefined && (asked === 0 || NO_NEW_FLOWS.has(word))) {
    return { ...destination, weight: 0, condition };
  }
  if (units < UNITS && asked > 0 && word !== 'fallback' && word !== 'panic') {
    const weight = Math.max(1, Math.floor((asked * scale * units) / UNITS));
    const reason = `came back a moment ago: ${Math.round((100 * units) / UNITS)} % of its weight count`;
    return { ...destination, weight, condition: { word: 'ramping', reason, asked, configured } };
  }
  return condition === undefined && (scale === 1 || asked === 0)
    ? destination
    : { ...destination, weight: Math.min(MAX_WEIGHT, asked * scale), condition: condition ?? { asked, configured } };
}

/**
 * Returns by what all weights of a service are multiplied, since weights are whole numbers: UNITS while one ramps, unless
 * weights are so large that parts of them are whole anyway. To ovf a weight is a number of flows, and stays one.
 */
function scaleOf(destinations: readonly Destination[], scheduler: Scheduler, viewOf: ViewOf): number {
  if (!canRamp(scheduler) || scheduler === 'ovf' || destinations.every((each) => viewOf(each).units === UNITS)) {
    return 1;
  }
  const heaviest = destinations.reduce(
    (most, each) => Math.max(most, each.weight, advisedWeight(each.weight, viewOf(each).advice)),
    0,
  );
  return heaviest * UNITS <= MAX_WEIGHT ? UNITS : 1;
}

/** Returns a fallback that is not one of the service's real servers. */
function spare(address: IpAddress, disabled: ServerView['disabled'], isUsed: boolean, scale: number): Destination {
  const base = { asked: 1, configured: 1, spare: true } as const;
  if (disabled !== undefined) {
    return { address, weight: 0, condition: { ...base, ...outOf(disabled) } };
  }
  return isUsed
    ? { address, weight: scale, condition: { ...base, word: 'fallback', reason: AS_FALLBACK } }
    : { address, weight: 0, condition: { ...base, word: 'standby', reason: 'is a fallback that is not needed now' } };
}
