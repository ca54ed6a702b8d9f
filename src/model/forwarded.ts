/** What the services' packets follow on a director, in a form that another director's can be compared with. Pure. */

import type { IpAddress } from './address.js';
import { diffFields, diffRules, type Difference, fieldsOf, type Plain, policyFields } from './difference.js';
import { DEFAULT_TIMEOUTS, withDefaults } from './flow-settings.js';
import type { AnyService, Model } from './model.js';
import type { MarkRule } from './service.js';

export interface ForwardedServer {
  readonly address: IpAddress;
  /** The one that schedulers see: 0 while it fails its checks, is disabled or is drained. */
  readonly weight: number;
  /** Nothing can be sent to it now. */
  readonly reachable?: false;
  readonly upperThreshold?: number;
  readonly lowerThreshold?: number;
  /** Why its weight is not that of the configuration, or nothing can be sent to it. */
  readonly reason?: string;
}

export interface ForwardedService {
  /** "tcp 192.168.1.100:80", "fwm 1". */
  readonly service: string;
  /** Everything else that its packets follow, without defaults. */
  readonly policy: Readonly<Record<string, Plain>>;
  /** By address. */
  readonly realServers: readonly ForwardedServer[];
  /** A fingerprint of the table that a hash of flows is looked up in; undefined: its scheduler has none. */
  readonly table?: string;
}

/** A whole director. */
export interface Forwarded {
  /** The name of its host. */
  readonly host: string;
  readonly version: string;
  readonly timeouts: Readonly<Record<string, Plain>>;
  readonly markRules: readonly MarkRule[];
  readonly services: readonly ForwardedService[];
}

/** Returns the rules of a service without those of its health, which show in its real servers, and of failover. */
export function policyOf(service: AnyService): ForwardedService['policy'] {
  return Object.fromEntries(policyFields({ ...service, health: undefined, essential: undefined }));
}

export function timeoutsOf({ timeouts }: Pick<Model, 'timeouts'>): Forwarded['timeouts'] {
  return { ...withDefaults(DEFAULT_TIMEOUTS, timeouts) };
}

/**
 * Returns what a director forwards by otherwise than another one does: `added` is only here, `removed` only there. A table
 * that alone differs is named too: the two programs then build it in different ways.
 */
export function diffForwarded(there: Forwarded, here: Forwarded): Difference[] {
  const before = new Map(there.services.map((each) => [each.service, each]));
  const after = new Set(here.services.map(({ service }) => service));
  return [
    ...diffFields(fieldsOf({ timeouts: there.timeouts }), fieldsOf({ timeouts: here.timeouts })).map(
      (field): Difference => ({ kind: 'changed', what: 'setting', ...field }),
    ),
    ...here.services.flatMap((each) => diffService(before.get(each.service), each)),
    ...there.services.filter(({ service }) => !after.has(service)).map((each) => onlyOne('removed', each)),
    ...diffRules({ markRules: there.markRules }, { markRules: here.markRules }),
  ];
}

function diffService(there: ForwardedService | undefined, here: ForwardedService): Difference[] {
  if (there === undefined) {
    return [onlyOne('added', here)];
  }
  const { service } = here;
  const fields = [
    ...diffFields(new Map(Object.entries(there.policy)), new Map(Object.entries(here.policy))).map(
      (field): Difference => ({ kind: 'changed', what: 'service', service, ...field }),
    ),
    ...diffServers(service, there.realServers, here.realServers),
  ];
  return fields.length > 0 || there.table === here.table
    ? fields
    : [
        {
          ...{ kind: 'changed', what: 'service', service, field: 'table' },
          ...(there.table === undefined ? {} : { before: there.table }),
          ...(here.table === undefined ? {} : { after: here.table }),
        },
      ];
}

function diffServers(
  service: string,
  there: readonly ForwardedServer[],
  here: readonly ForwardedServer[],
): Difference[] {
  const before = new Map(there.map((each) => [each.address, each]));
  const after = new Set(here.map(({ address }) => address));
  const base = { what: 'realServer', service } as const;
  return [
    ...here.flatMap((each): Difference[] => {
      const { address: realServer } = each;
      const other = before.get(realServer);
      return other === undefined
        ? [{ ...base, kind: 'added', realServer, after: { ...each } }]
        : diffFields(comparable(other), comparable(each)).map((field) => ({
            ...base,
            kind: 'changed',
            realServer,
            ...field,
          }));
    }),
    ...there
      .filter(({ address }) => !after.has(address))
      .map((each): Difference => ({ ...base, kind: 'removed', realServer: each.address, before: { ...each } })),
  ];
}

/** Two directors may say the same in other words: the reason is told, and not compared. */
function comparable({ address: _address, reason: _reason, ...rest }: ForwardedServer): ReturnType<typeof fieldsOf> {
  return fieldsOf(rest);
}

function onlyOne(kind: 'added' | 'removed', { service, policy, realServers }: ForwardedService): Difference {
  const value: Plain = { ...policy, realServers: realServers.map((each) => ({ ...each })) };
  return { kind, what: 'service', service, ...(kind === 'added' ? { after: value } : { before: value }) };
}
