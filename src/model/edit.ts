/** Changes of a running director's services, one at a time: what ipvsadm's commands ask for. Pure. */

import { type Family, familyOf, type IpAddress, parseIp } from './address.js';
import { BeelineError } from './error.js';
import { isSameRule, markMatchName, MAX_MARK, overlap } from './mark.js';
import { type Breach, isNetmask, policyBreaches, thresholdBreach, unusableAddress } from './rules.js';
import {
  type Destination,
  isHashing,
  type MarkKey,
  type MarkMatch,
  type MarkRule,
  type MarkService,
  markServiceName,
  MAX_THRESHOLD,
  MAX_TIMEOUT,
  MAX_WEIGHT,
  type Model,
  type Service,
  type ServiceKey,
  serviceName,
  type ServicePolicy,
  type Timeouts,
} from './service.js';

/** Which service an edit is about. */
export type EditKey = ServiceKey | MarkKey;

/** A service of either kind. */
export type AnyService = Service | MarkService;

/** What ipvsadm says of a service; all else that Beeline knows of it stays as it is. */
export type EditPolicy = Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'>;

/** What ipvsadm says of a destination; all else stays as it is. A threshold of 0 is none. */
export type EditDestination = Pick<Destination, 'address' | 'weight' | 'upperThreshold' | 'lowerThreshold'>;

export type Edit =
  | { readonly kind: 'add-service' | 'edit-service'; readonly service: EditKey; readonly policy: EditPolicy }
  | { readonly kind: 'delete-service'; readonly service: EditKey }
  | {
      readonly kind: 'add-destination' | 'edit-destination';
      readonly service: EditKey;
      readonly destination: EditDestination;
    }
  | { readonly kind: 'delete-destination'; readonly service: EditKey; readonly address: string }
  /** All services and mark services; mark rules stay, as netfilter's rules do. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'set-timeouts'; readonly timeouts: Partial<Pick<Timeouts, 'established' | 'finWait' | 'udp'>> }
  | { readonly kind: 'add-mark-rule' | 'delete-mark-rule'; readonly rule: MarkRule }
  | { readonly kind: 'clear-mark-rules'; readonly mark?: number | undefined };

export function isMarkKey(key: EditKey): key is MarkKey {
  return 'mark' in key;
}

/** "tcp 192.168.1.100:80", "fwm 1 ipv6" */
export function editKeyName(key: EditKey): string {
  return isMarkKey(key) ? markServiceName(key) : serviceName(key);
}

/**
 * The model after an edit. Services that it does not touch are the same objects.
 *
 * @throws BeelineError `SERVICE_EXISTS`, `SERVICE_UNKNOWN`, `DESTINATION_EXISTS`, `DESTINATION_UNKNOWN`, `OUT_OF_RANGE`
 *   (lower threshold above the upper), `NOT_FOUND` (a mark rule), `EDIT_REFUSED` (IPVS would take it and Beeline does
 *   not; with what to do)
 */
export function edit(model: Model, change: Edit): Model {
  switch (change.kind) {
    case 'add-service':
      return addService(model, change.service, change.policy);
    case 'edit-service':
      return withService(model, change.service, (service) => changePolicy(service, change.policy));
    case 'delete-service':
      return withService(model, change.service, () => undefined);
    case 'add-destination':
      return withService(model, change.service, (service) => addDestination(model, service, change.destination));
    case 'edit-destination':
      return withService(model, change.service, (service) => changeDestination(service, change.destination));
    case 'delete-destination':
      return withService(model, change.service, (service) => deleteDestination(service, change.address));
    case 'clear':
      return { ...model, services: [], ...(model.markServices === undefined ? {} : { markServices: [] }) };
    case 'set-timeouts':
      return setTimeouts(model, change.timeouts);
    case 'add-mark-rule':
      return addMarkRule(model, change.rule);
    case 'delete-mark-rule':
      return deleteMarkRule(model, change.rule);
    case 'clear-mark-rules':
      return clearMarkRules(model, change.mark);
  }
}

/**
 * What an edit leads into that IPVS says nothing of, each a sentence or two.
 *
 * @param model as it is after the edit
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

/** Which pairs of a service and a rule an edit is about. */
type IsMeant = (service: Service, rule: MarkRule) => boolean;

function isOfService(key: EditKey): IsMeant {
  return (service, rule) =>
    isMarkKey(key) ? rule.mark === key.mark && familyOf(rule.match.address) === key.family : isSameKey(service, key);
}

/** Marks come before services of the same address and port: said when the one or the other is new. */
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
          `packets of ${markMatchName(match)} go to ${markServiceName({ mark, family })}, not to ${serviceName(service)}: ` +
          'marks come first.',
      );
  });
}

function matchOf({ protocol, address, port }: Service): MarkMatch {
  const prefixLength = familyOf(address) === 4 ? 32 : 128;
  return { protocol, address, prefixLength, firstPort: port, lastPort: port === 0 ? 0xffff : port };
}

function weightWarnings(model: Model, key: EditKey): string[] {
  const { scheduler, destinations } = findService(model, key);
  return scheduler === 'rr' && destinations.some(({ weight }) => weight > 1)
    ? [`${editKeyName(key)}: rr gives every real server the same, whatever its weight. wrr goes by weights.`]
    : [];
}

function markWarnings({ markRules = [] }: Model, key: EditKey): string[] {
  if (!isMarkKey(key)) {
    return [];
  }
  const { mark, family } = key;
  if (markRules.some((rule) => rule.mark === mark && familyOf(rule.match.address) === family)) {
    return [];
  }
  const example = family === 6 ? 'tcp:[fd00::100]:80' : 'tcp:192.168.1.100:80';
  return [
    `${markServiceName(key)}: no packet gets this mark yet; netfilter's marks come too late. ` +
      `Say which ones get it: beeline mark add ${mark} --match '${example}'.`,
  ];
}

function isSameKey(a: EditKey, b: EditKey): boolean {
  return editKeyName(a) === editKeyName(b);
}

/** @throws BeelineError `SERVICE_UNKNOWN` */
function findService(model: Model, key: EditKey): AnyService {
  const all: readonly AnyService[] = isMarkKey(key) ? (model.markServices ?? []) : model.services;
  const service = all.find((each) => isSameKey(each, key));
  if (service === undefined) {
    throw new BeelineError('SERVICE_UNKNOWN', `there is no service ${editKeyName(key)}`, {
      hint: '"beeline ipvsadm -Ln" lists them.',
    });
  }
  return service;
}

/** @throws BeelineError `DESTINATION_UNKNOWN` */
function findDestination(service: AnyService, address: IpAddress): Destination {
  const destination = service.destinations.find((each) => each.address === address);
  if (destination === undefined) {
    throw new BeelineError('DESTINATION_UNKNOWN', `${editKeyName(service)} has no real server ${address}`, {
      hint: '"beeline ipvsadm -Ln" lists them.',
    });
  }
  return destination;
}

/** The model with one service changed, or without it. */
function withService(model: Model, key: EditKey, change: (service: AnyService) => AnyService | undefined): Model {
  const before = findService(model, key);
  const after = change(before);
  const replace = <Each extends AnyService>(services: readonly Each[]): Each[] =>
    // What comes back is of the kind that went in.
    services.flatMap((each) => (each !== before ? [each] : after === undefined ? [] : [after as Each]));
  return isMarkKey(key)
    ? { ...model, markServices: replace(model.markServices ?? []) }
    : { ...model, services: replace(model.services) };
}

function addService(model: Model, key: EditKey, policy: EditPolicy): Model {
  const others: readonly AnyService[] = isMarkKey(key) ? (model.markServices ?? []) : model.services;
  if (others.some((each) => isSameKey(each, key))) {
    throw new BeelineError('SERVICE_EXISTS', `there is a service ${editKeyName(key)} already`);
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

/** Without what it does not say, so that equal policies are equal objects. */
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

/** Replaces what ipvsadm says; drops what only Beeline knows and what does not go with it any more. */
function changePolicy(service: AnyService, policy: EditPolicy): AnyService {
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

function addDestination(model: Model, service: AnyService, asked: EditDestination): AnyService {
  checkRanges(asked);
  const { address } = asked;
  if (service.destinations.some((each) => each.address === address)) {
    throw new BeelineError('DESTINATION_EXISTS', `${editKeyName(service)} has the real server ${address} already`);
  }
  checkRealServer(model, service, address);
  const destination = destinationOf(asked);
  checkThresholds(service, destination);
  const destinations = [...service.destinations, destination];
  if (service.slots !== undefined && service.slots < destinations.length) {
    throw refused(
      `${editKeyName(service)} has a ring of ${service.slots} slots, too few for ${destinations.length} real servers`,
      'Make "slots" larger in the configuration, or leave it out, and reload.',
    );
  }
  return { ...service, destinations };
}

function changeDestination(service: AnyService, asked: EditDestination): AnyService {
  checkRanges(asked);
  const before = findDestination(service, asked.address);
  const { upperThreshold: _upper, lowerThreshold: _lower, ...kept } = before;
  const after = { ...kept, ...destinationOf(asked) };
  checkThresholds(service, after);
  return { ...service, destinations: service.destinations.map((each) => (each === before ? after : each)) };
}

function deleteDestination(service: AnyService, address: IpAddress): AnyService {
  const destination = findDestination(service, address);
  return { ...service, destinations: service.destinations.filter((each) => each !== destination) };
}

function destinationOf({ address, weight, upperThreshold = 0, lowerThreshold = 0 }: EditDestination): Destination {
  return {
    address,
    weight,
    ...(upperThreshold === 0 ? {} : { upperThreshold }),
    ...(lowerThreshold === 0 ? {} : { lowerThreshold }),
  };
}

function setTimeouts(model: Model, timeouts: Partial<Timeouts>): Model {
  for (const [state, seconds] of Object.entries(timeouts)) {
    if (!(Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_TIMEOUT)) {
      throw new BeelineError('OUT_OF_RANGE', `the timeout ${state} must be from 1 to ${MAX_TIMEOUT} seconds`);
    }
  }
  return { ...model, timeouts: { ...model.timeouts, ...timeouts } };
}

function addMarkRule(model: Model, rule: MarkRule): Model {
  checkMark(rule.mark);
  const rules = model.markRules ?? [];
  const other = rules.find(({ match }) => overlap(match, rule.match));
  if (other !== undefined) {
    const name = `${markMatchName(other.match)} (mark ${other.mark})`;
    throw isSameRule(other, rule)
      ? refused(`there is a rule ${name} already`, 'Nothing is left to be done.')
      : refused(
          `packets of ${markMatchName(rule.match)} would match ${name} too`,
          `Delete that one first: beeline mark delete ${other.mark} --match '${markMatchName(other.match)}'.`,
        );
  }
  return { ...model, markRules: [...rules, rule] };
}

function deleteMarkRule(model: Model, rule: MarkRule): Model {
  const rules = model.markRules ?? [];
  const left = rules.filter((each) => !isSameRule(each, rule));
  if (left.length === rules.length) {
    throw noSuchRule(`there is no rule ${markMatchName(rule.match)} of mark ${rule.mark}`);
  }
  return { ...model, markRules: left };
}

function clearMarkRules(model: Model, mark: number | undefined): Model {
  const rules = model.markRules ?? [];
  const left = mark === undefined ? [] : rules.filter((each) => each.mark !== mark);
  if (mark !== undefined && left.length === rules.length) {
    throw noSuchRule(`there is no rule of mark ${mark}`);
  }
  return { ...model, markRules: left };
}

function noSuchRule(message: string): BeelineError {
  return new BeelineError('NOT_FOUND', message, { hint: '"beeline mark list" lists them.' });
}

function refused(message: string, hint: string): BeelineError {
  return new BeelineError('EDIT_REFUSED', message, { hint });
}

function checkMark(mark: number): void {
  if (!(Number.isInteger(mark) && mark >= 1 && mark <= MAX_MARK)) {
    throw new BeelineError('OUT_OF_RANGE', `a mark must be from 1 to ${MAX_MARK}, not ${mark}`);
  }
}

function checkVip(model: Model, { address }: ServiceKey): void {
  checkAddress(address, 'a VIP', 'Use an address that clients send to, and that the director has on its interface.');
  const user = allServices(model).find(({ destinations }) => destinations.some((each) => each.address === address));
  if (user !== undefined) {
    throw refused(
      `${address} is a real server's address, of ${editKeyName(user)}: it cannot be a VIP too`,
      'Use an address that no real server has for itself.',
    );
  }
}

function checkRealServer(model: Model, service: AnyService, address: IpAddress): void {
  checkAddress(
    address,
    'a real server',
    "Use the real server's own address on the network it shares with the director.",
  );
  const family = familyOfService(service);
  if (familyOf(address) !== family) {
    throw refused(
      `a real server of ${editKeyName(service)} must have an IPv${family} address, not ${address}`,
      'Direct routing changes no address: client, VIP and real server are of one family.',
    );
  }
  const vip = model.services.find((each) => each.address === address);
  if (vip !== undefined) {
    throw refused(
      `${address} is a VIP, of ${serviceName(vip)}: it cannot be a real server's address too`,
      "Use the real server's own address; for the director itself, the one that it has beside the VIP.",
    );
  }
}

function checkAddress(address: IpAddress, as: string, hint: string): void {
  const reason =
    parseIp(address) === address ? unusableAddress(address) : `${address} is no address that Beeline takes`;
  if (reason !== undefined) {
    throw refused(`${address} cannot be ${as}: ${reason}`, hint);
  }
}

/** What the kernel refuses by itself: ERANGE. */
function checkRanges({ weight, upperThreshold: upper = 0, lowerThreshold: lower = 0 }: EditDestination): void {
  const isIn = (value: number, high: number): boolean => Number.isInteger(value) && value >= 0 && value <= high;
  if (!isIn(weight, MAX_WEIGHT) || !isIn(upper, MAX_THRESHOLD) || !isIn(lower, MAX_THRESHOLD)) {
    throw new BeelineError('OUT_OF_RANGE', 'weight and thresholds must be whole numbers from 0 to 2147483647');
  }
  if (lower > upper) {
    throw new BeelineError('OUT_OF_RANGE', `the lower threshold, ${lower}, is above the upper, ${upper}`, {
      hint: 'Make the upper one larger, or leave the lower one out.',
    });
  }
}

function checkThresholds(service: AnyService, destination: Destination): void {
  const breach = thresholdBreach(destination, service);
  if (breach !== undefined) {
    throw breachError(service, breach);
  }
}

function checkPolicy(service: AnyService): void {
  const protocol = isMarkKey(service) ? undefined : service.protocol;
  const [breach] = policyBreaches({ ...service, protocol, family: familyOfService(service) });
  if (breach !== undefined) {
    throw breachError(service, breach);
  }
  const mask = service.persistence?.mask;
  if (typeof mask === 'string' && !isNetmask(mask)) {
    throw refused(
      `${editKeyName(service)}: the mask ${mask} would make all clients one`,
      'Use a netmask of at least one bit, for example 255.255.255.0.',
    );
  }
  service.destinations.forEach((destination) => {
    checkThresholds(service, destination);
  });
}

function breachError(service: AnyService, { path, message }: Breach): BeelineError {
  return refused(
    `${editKeyName(service)}: "${path.join('.')}" ${message}`,
    'Change the one or the other: "beeline ipvsadm -E" what ipvsadm knows, the configuration the rest.',
  );
}

function familyOfService(service: AnyService): Family {
  return isMarkKey(service) ? service.family : familyOf(service.address);
}

/** Those by address and those by mark, each kind in the order in which they were added. */
export function allServices(model: Pick<Model, 'services' | 'markServices'>): AnyService[] {
  return [...model.services, ...(model.markServices ?? [])];
}
