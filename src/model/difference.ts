/** The differences between two models, one by one: for people and for programs. Pure. */

import { isDeepStrictEqual } from 'node:util';

import { serviceName } from './service-name.js';
import { markMatchName } from './mark.js';
import type { HealthPolicy, HealthSettings } from './health.js';
import { allServices, type AnyService, type Model } from './model.js';
import type { Destination, ServicePolicy } from './service.js';
import type { VrrpSettings } from './vrrp.js';

/** One difference. Fields that do not apply, and values that are defaults, are undefined. */
export interface Difference {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly what: 'setting' | 'service' | 'realServer' | 'markRule';
  /** "tcp 192.168.1.100:80", "fwm 1"; undefined for settings and mark rules. */
  readonly service?: string;
  /** The real server's. */
  readonly realServer?: string;
  /** The part of the setting, service or real server that changed: "scheduler", "timeouts.udp"; for a rule its mark. */
  readonly field?: string;
  readonly before?: Plain;
  readonly after?: Plain;
}

/** A value of JSON. */
export type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain };

/** Returns all differences: settings, services in the order of `after`, services that are gone, mark rules. */
export function diffModels(before: Model, after: Model): Difference[] {
  const old = new Map(allServices(before).map((service) => [serviceName(service), service]));
  const now = new Map(allServices(after).map((service) => [serviceName(service), service]));
  return [
    ...settings(before, after),
    ...[...now].flatMap(([name, service]) => diffService(name, old.get(name), service)),
    ...[...old].filter(([name]) => !now.has(name)).flatMap(([name, service]) => diffService(name, service, undefined)),
    ...diffRules(before, after),
  ];
}

function settings(before: Model, after: Model): Difference[] {
  const of = (model: Model): Fields => {
    const { interfaces, mode, fragments, vlans, timeouts, flows, health, vrrp } = model;
    const { directors = [], hostClients, clientBridges = [], flowHandOver } = model;
    return fieldsOf({
      interfaces,
      mode,
      fragments: fragments ?? true,
      vlans,
      directors: directors.length === 0 ? undefined : directors,
      hostClients: hostClients === true ? true : undefined,
      clientBridges: clientBridges.length === 0 ? undefined : clientBridges,
      timeouts,
      flows,
      health: health && healthSettingsFields(health),
      vrrp: vrrp && vrrpFields(vrrp),
      flowHandOver,
    });
  };
  return diffFields(of(before), of(after)).map((field) => ({ kind: 'changed', what: 'setting', ...field }));
}

function healthSettingsFields({ ports, hooks = [] }: HealthSettings): object {
  return { ports: ports && `${ports.first}-${ports.last}`, hooks: hooks.length === 0 ? undefined : plain(hooks) };
}

/** By the names of instances: "vrrp.instances.VI_51.priority". Defaults that are written out are no difference. */
function vrrpFields({ routerName, instances }: VrrpSettings): object {
  const fields = instances.map(({ name, vmac, preempt, preemptDelay, ...rest }): [string, object] => [
    name,
    {
      ...rest,
      vmac: vmac === true ? true : undefined,
      preempt: preempt === false ? false : undefined,
      preemptDelay: preemptDelay === 0 ? undefined : preemptDelay,
    },
  ]);
  return { routerName, instances: Object.fromEntries(fields) };
}

function diffService(service: string, before: AnyService | undefined, after: AnyService | undefined): Difference[] {
  if (before === undefined || after === undefined) {
    const { destinations, ...rest } = after ?? before!;
    const policy = plain({ ...rest, realServers: destinations });
    return before === undefined
      ? [{ kind: 'added', what: 'service', service, after: policy }]
      : [{ kind: 'removed', what: 'service', service, before: policy }];
  }
  if (before === after) {
    return [];
  }
  const changes = diffFields(policyFields(before), policyFields(after));
  return [
    ...changes.map((field): Difference => ({ kind: 'changed', what: 'service', service, ...field })),
    ...diffDestinations(service, before.destinations, after.destinations),
  ];
}

function diffDestinations(
  service: string,
  before: readonly Destination[],
  after: readonly Destination[],
): Difference[] {
  const old = new Map(before.map((each) => [each.address, each]));
  const now = new Map(after.map((each) => [each.address, each]));
  const base = { what: 'realServer', service } as const;
  const differences = after.flatMap((each): Difference[] => {
    const { address } = each;
    const known = old.get(address);
    return known === undefined
      ? [{ ...base, kind: 'added', realServer: address, after: plain(each) }]
      : diffFields(destinationFields(known), destinationFields(each)).map((field) => ({
          ...base,
          kind: 'changed',
          realServer: address,
          ...field,
        }));
  });
  const removed = before
    .filter(({ address }) => !now.has(address))
    .map((each): Difference => ({ ...base, kind: 'removed', realServer: each.address, before: plain(each) }));
  return [...differences, ...removed, ...diffOrder(service, before, after)];
}

/** Compares the order of real servers, which IPVS's schedulers look at: the last one added first. */
function diffOrder(service: string, before: readonly Destination[], after: readonly Destination[]): Difference[] {
  const common = (some: readonly Destination[], others: readonly Destination[]): string[] => {
    const there = new Set(others.map(({ address }) => address));
    return some.map(({ address }) => address).filter((address) => there.has(address));
  };
  const [was, is] = [common(before, after), common(after, before)];
  return was.every((address, i) => address === is[i])
    ? []
    : [{ kind: 'changed', what: 'service', service, field: 'order', before: was, after: is }];
}

export function diffRules(
  { markRules: before = [] }: Pick<Model, 'markRules'>,
  { markRules: after = [] }: Pick<Model, 'markRules'>,
): Difference[] {
  const rulesOf = (rules: typeof before): Map<string, { mark: number; match: string }> =>
    new Map(
      rules.map(({ mark, match }) => {
        const name = markMatchName(match);
        return [`${mark} ${name}`, { mark, match: name }];
      }),
    );
  const [old, now] = [rulesOf(before), rulesOf(after)];
  return [
    ...[...now]
      .filter(([name]) => !old.has(name))
      .map(([, { mark, match }]): Difference => ({
        kind: 'added',
        what: 'markRule',
        field: `mark ${mark}`,
        after: match,
      })),
    ...[...old]
      .filter(([name]) => !now.has(name))
      .map(([, { mark, match }]): Difference => ({
        kind: 'removed',
        what: 'markRule',
        field: `mark ${mark}`,
        before: match,
      })),
  ];
}

export type Fields = ReadonlyMap<string, Plain>;

export function policyFields(service: AnyService): Fields {
  const {
    scheduler,
    flags = [],
    track,
    persistence,
    onePacket,
    timeouts,
    ttl,
    noDestination,
    unresolved,
    slots,
    health,
    essential,
  } = service as ServicePolicy;
  return fieldsOf({
    scheduler,
    flags: flags.length === 0 ? undefined : flags.toSorted(),
    // A default that is written out is no difference.
    track: track === 'all' ? undefined : track,
    persistence,
    onePacket: onePacket === true ? true : undefined,
    timeouts,
    ttl: ttl === 'keep' ? undefined : ttl,
    noDestination: noDestination === 'reject' ? undefined : noDestination,
    unresolved: unresolved === 'hold' ? undefined : unresolved,
    slots,
    health: health && healthFields(health),
    essential: essential === true ? true : undefined,
  });
}

/** Health without defaults that are written out. */
function healthFields({ onFailure, initially, slowStart, panic, fallback, ...rest }: HealthPolicy): Plain {
  return plain({
    ...rest,
    onFailure: onFailure === 'remove' ? undefined : onFailure,
    initially: initially === 'up' ? undefined : initially,
    slowStart: slowStart === 0 ? undefined : slowStart,
    fallback,
    panic: panic === true ? true : undefined,
  });
}

function destinationFields({ health, ...rest }: Destination): Fields {
  return fieldsOf({ ...rest, health: health && plain(health) });
}

/** Returns the defined fields by name; those of mappings are named "timeouts.udp". */
export function fieldsOf(values: Readonly<Record<string, unknown>>, prefix = ''): Fields {
  const entries = Object.entries(values).flatMap(([key, value]): [string, Plain][] => {
    if (value === undefined) {
      return [];
    }
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? [...fieldsOf(value as Record<string, unknown>, `${prefix}${key}.`)]
      : [[prefix + key, value as Plain]];
  });
  return new Map(entries);
}

export function diffFields(before: Fields, after: Fields): Pick<Difference, 'field' | 'before' | 'after'>[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => !isDeepStrictEqual(before.get(field), after.get(field)))
    .map((field) => ({
      field,
      ...(before.has(field) ? { before: before.get(field)! } : {}),
      ...(after.has(field) ? { after: after.get(field)! } : {}),
    }));
}

/** Removes undefined fields. */
function plain(value: unknown): Plain {
  return JSON.parse(JSON.stringify(value)) as Plain;
}
