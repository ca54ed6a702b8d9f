/**
 * The rule for drains (docs/adr/0027-drains-are-changes.md): a drain is a change by a command. It makes the weight 0 at once,
 * and removes the real server when its last flow has ended, or when its deadline has come. Pure.
 */

import {
  allServices,
  type AnyService,
  BeelineError,
  type Destination,
  edit,
  type Edit,
  type IpAddress,
  type Model,
  serviceName,
} from '../../model/index.js';

/** One real server of one service. */
export interface RealServerKey {
  /** As people write it: "tcp 192.168.1.100:80". */
  readonly service: string;
  readonly address: IpAddress;
}

/** A drain that runs: its real server is in the model, with weight 0. */
export interface Drain extends RealServerKey {
  /** When it began, in milliseconds since the machine started: nobody sets this clock. */
  readonly since: number;
  /** When the real server is removed even if it has flows; undefined: never. */
  readonly deadline?: number | undefined;
}

/** Everything that the file and commands ask for. It is kept, and replaced by a file, as a whole (ADR 15). */
export interface Desired {
  readonly model: Model;
  readonly drains: readonly Drain[];
}

/** Flows that a real server still has; `uncertain`: there may be others that were silent for a while. */
export interface FlowsLeft {
  readonly flows: number;
  readonly uncertain: boolean;
}

/** Tells how many flows a real server of a service has. */
export type FlowsLeftOf = (service: string, address: IpAddress) => FlowsLeft;

/**
 * In a service that remembers all flows, one whose handshake was under way when the drain began is counted within this
 * time.
 */
const LEAST_MS = 3_000;

/**
 * Begins a drain, or changes the deadline of one that runs.
 *
 * @param now milliseconds since the machine started
 * @param deadlineMs how long from now the real server may have flows; undefined: as long as they last
 * @throws BeelineError `NOT_FOUND` if the model has no such service or real server
 */
export function startDrain(
  { model, drains }: Desired,
  key: RealServerKey,
  now: number,
  deadlineMs: number | undefined,
): Desired {
  const { service, address } = key;
  if (realServerOf(model, key) === undefined) {
    throw new BeelineError('NOT_FOUND', `${service} has no real server ${address}`, { hint: 'See "beeline list".' });
  }
  const { since = now } = drainOf(drains, key) ?? {};
  const deadline = deadlineMs === undefined ? {} : { deadline: now + deadlineMs };
  return {
    model: withoutFlows(model, key),
    drains: [...drains.filter((each) => !isSame(each, key)), { service, address, since, ...deadline }],
  };
}

/** Makes an edit, which ends the drains of the real servers that it names or removes. @throws BeelineError what `edit` throws */
export function editDesired({ model, drains }: Desired, change: Edit): Desired {
  const next = edit(model, change);
  return { model: next, drains: drains.length === 0 ? drains : drains.filter((drain) => !ends(change, drain)) };
}

function ends(change: Edit, { service, address }: Drain): boolean {
  switch (change.kind) {
    case 'add-destination':
    case 'edit-destination':
      return change.destination.address === address && serviceName(change.service) === service;
    case 'delete-destination':
      return change.address === address && serviceName(change.service) === service;
    case 'delete-service':
      return serviceName(change.service) === service;
    case 'clear':
      return true;
    default:
      return false;
  }
}

/** Returns the drains whose real servers have no flow left, or whose deadline has come. @param now as for `startDrain` */
export function dueDrains(drains: readonly Drain[], flowsLeft: FlowsLeftOf, now: number): Drain[] {
  return drains.filter(({ service, address, since, deadline }) => {
    if (deadline !== undefined && now >= deadline) {
      return true;
    }
    const { flows, uncertain } = flowsLeft(service, address);
    return flows === 0 && !uncertain && now - since >= LEAST_MS;
  });
}

/** Removes the real server of a drain. @throws BeelineError `NOT_FOUND` if the drain has ended or changed meanwhile */
export function finishDrain({ model, drains }: Desired, drain: Drain): Desired {
  if (!drains.includes(drain)) {
    throw new BeelineError('NOT_FOUND', `${drain.address} of ${drain.service} is not being drained any more`);
  }
  return {
    model: changeDestinations(model, drain, (all) => all.filter(({ address }) => address !== drain.address)),
    drains: drains.filter((each) => each !== drain),
  };
}

/** Returns the drains whose real servers are there with weight 0: nobody else may have written what a daemon reads. */
export function requireDrained({ model, drains }: Desired): Desired {
  return { model, drains: drains.filter((drain) => realServerOf(model, drain)?.weight === 0) };
}

export function drainOf(drains: readonly Drain[], key: RealServerKey): Drain | undefined {
  return drains.find((each) => isSame(each, key));
}

export function realServerOf(model: Model, { service, address }: RealServerKey): Destination | undefined {
  return allServices(model)
    .find((each) => serviceName(each) === service)
    ?.destinations.find((each) => each.address === address);
}

/** Makes the weight of a real server 0. */
function withoutFlows(model: Model, key: RealServerKey): Model {
  return realServerOf(model, key)?.weight === 0
    ? model
    : changeDestinations(model, key, (all) =>
        all.map((each) => (each.address === key.address ? { ...each, weight: 0 } : each)),
      );
}

function isSame(a: RealServerKey, b: RealServerKey): boolean {
  return a.address === b.address && a.service === b.service;
}

function changeDestinations(
  model: Model,
  { service: name }: RealServerKey,
  change: (all: readonly Destination[]) => readonly Destination[],
): Model {
  const changeOne = <Each extends AnyService>(service: Each): Each =>
    serviceName(service) === name ? { ...service, destinations: change(service.destinations) } : service;
  const { services, markServices } = model;
  return {
    ...model,
    services: services.map(changeOne),
    ...(markServices === undefined ? {} : { markServices: markServices.map(changeOne) }),
  };
}
