/** What is different between two models, one thing at a time: for people and for programs. Pure. */

import { isDeepStrictEqual } from 'node:util';

import { allServices, type AnyService, editKeyName } from './edit.js';
import { markMatchName } from './mark.js';
import type { Destination, Model, ServicePolicy } from './service.js';

/** One difference. What is undefined does not apply, or was not said: it is as it is by default. */
export interface Difference {
  readonly kind: 'added' | 'removed' | 'changed';
  readonly what: 'setting' | 'service' | 'realServer' | 'markRule';
  /** "tcp 192.168.1.100:80", "fwm 1"; not of settings and rules of marks. */
  readonly service?: string;
  /** The real server's. */
  readonly address?: string;
  /** What of the setting, service or real server changed: "scheduler", "timeouts.udp"; of a rule its mark. */
  readonly field?: string;
  readonly before?: Plain;
  readonly after?: Plain;
}

/** As JSON has it. */
export type Plain = string | number | boolean | readonly Plain[] | { readonly [key: string]: Plain };

/** All differences: settings, services in the order of `after` and then those that are gone, rules of marks. */
export function diffModels(before: Model, after: Model): Difference[] {
  const old = new Map(allServices(before).map((service) => [editKeyName(service), service]));
  const now = new Map(allServices(after).map((service) => [editKeyName(service), service]));
  return [
    ...settings(before, after),
    ...[...now].flatMap(([name, service]) => diffService(name, old.get(name), service)),
    ...[...old].filter(([name]) => !now.has(name)).flatMap(([name, service]) => diffService(name, service, undefined)),
    ...diffRules(before, after),
  ];
}

function settings(before: Model, after: Model): Difference[] {
  const of = ({ interfaces, mode, fragments, vlans, directors = [], timeouts, flows }: Model): Fields =>
    fieldsOf({
      interfaces,
      mode,
      fragments: fragments ?? true,
      vlans,
      directors: directors.length === 0 ? undefined : directors,
      timeouts,
      flows,
    });
  return diffFields(of(before), of(after)).map((field) => ({ kind: 'changed', what: 'setting', ...field }));
}

function diffService(service: string, before: AnyService | undefined, after: AnyService | undefined): Difference[] {
  if (before === undefined || after === undefined) {
    const policy = plain(after ?? before!);
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
      ? [{ ...base, kind: 'added', address, after: plain(each) }]
      : diffFields(fieldsOf({ ...known }), fieldsOf({ ...each })).map((field) => ({
          ...base,
          kind: 'changed',
          address,
          ...field,
        }));
  });
  const removed = before
    .filter(({ address }) => !now.has(address))
    .map((each): Difference => ({ ...base, kind: 'removed', address: each.address, before: plain(each) }));
  return [...differences, ...removed, ...diffOrder(service, before, after)];
}

/** IPVS's schedulers look at real servers in the order in which they were added, last one first. */
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

function diffRules({ markRules: before = [] }: Model, { markRules: after = [] }: Model): Difference[] {
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

type Fields = ReadonlyMap<string, Plain>;

function policyFields(service: AnyService): Fields {
  const {
    scheduler,
    flags = [],
    track,
    persistence,
    onePacket,
    timeouts,
    ttl,
    noDestination,
    slots,
  } = service as ServicePolicy;
  return fieldsOf({
    scheduler,
    flags: flags.length === 0 ? undefined : flags.toSorted(),
    // What is said to be as it is by default is as it is by default.
    track: track === 'all' ? undefined : track,
    persistence,
    onePacket: onePacket === true ? true : undefined,
    timeouts,
    ttl: ttl === 'keep' ? undefined : ttl,
    noDestination: noDestination === 'reject' ? undefined : noDestination,
    slots,
  });
}

/** By name, those of mappings by "timeouts.udp"; without what is undefined. */
function fieldsOf(values: Readonly<Record<string, unknown>>, prefix = ''): Fields {
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

function diffFields(before: Fields, after: Fields): Pick<Difference, 'field' | 'before' | 'after'>[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => !isDeepStrictEqual(before.get(field), after.get(field)))
    .map((field) => ({
      field,
      ...(before.has(field) ? { before: before.get(field)! } : {}),
      ...(after.has(field) ? { after: after.get(field)! } : {}),
    }));
}

/** Without what is undefined. */
function plain(value: unknown): Plain {
  return JSON.parse(JSON.stringify(value)) as Plain;
}
