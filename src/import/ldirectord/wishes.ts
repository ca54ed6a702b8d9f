/** What a section asks for: its own settings, the global ones where it has none, and ldirectord's defaults. */

import type { Family, IpAddress, Protocol } from '../../model/index.js';
import type { Report } from './report.js';
import type { GlobalKey, SectionKey, Settings } from './settings.js';

export const CHECK_TYPES = ['connect', 'negotiate', 'ping', 'off', 'on', 'external', 'external-perl'] as const;
export type CheckType = (typeof CHECK_TYPES)[number] | 'combined';

/** The services of negotiating checks, with their ports (ld_port_to_service() and ld_service_to_port() of ldirectord). */
const SERVICE_PORTS = {
  ftp: 21,
  smtp: 25,
  dns: 53,
  http: 80,
  pop: 110,
  nntp: 119,
  imap: 143,
  ldap: 389,
  https: 443,
  submission: 587,
  ldaps: 636,
  imaps: 993,
  pops: 995,
  oracle: 1521,
  radius: 1812,
  http_proxy: 3128,
  mysql: 3306,
  sip: 5060,
  pgsql: 5432,
  simpletcp: undefined,
  none: undefined,
} as const;
export type ServiceKind = keyof typeof SERVICE_PORTS;

export function usualPort(kind: ServiceKind): number | undefined {
  return SERVICE_PORTS[kind];
}

/** Where a check goes. */
export interface Way {
  readonly via?: 'rip';
  readonly port?: number;
}

export interface Wishes {
  /** Of its first line. */
  readonly line: number;
  readonly own: Settings<SectionKey>;
  readonly report: Report;
  readonly family: Family;
  readonly protocol: Protocol;
  /** Undefined: marked packets. */
  readonly vip: IpAddress | undefined;
  /** Of marked packets. */
  readonly mark: number | undefined;
  /** 0: marked packets, or all ports. */
  readonly port: number;
  readonly checkType: CheckType;
  /** Of combined checks: so many connects before each negotiation. */
  readonly connects: number;
  readonly service: ServiceKind;
  /** Seconds. */
  readonly checkTimeout: number;
  readonly negotiateTimeout: number;
  readonly interval: number;
  readonly failures: number;
  /** Of pings: so many in one check. */
  readonly attempts: number;
  readonly isQuiescent: boolean;
}

/** Defaults of set_defaults() in ldirectord; its manual says "yes" of quiescent, and is wrong. */
const DEFAULTS = { check: 5, negotiate: 30, interval: 10, failures: 1, attempts: 1 } as const;

export type Globals = Settings<GlobalKey>;

export type Target = Pick<Wishes, 'line' | 'family' | 'protocol' | 'vip' | 'mark' | 'port'>;

export function wishesOf(target: Target, own: Settings<SectionKey>, globals: Globals, report: Report): Wishes {
  const { checkType, connects } = checkTypeOf(own, report);
  const [check, negotiate] = [own.number('checktimeout'), own.number('negotiatetimeout')];
  const [allCheck, allNegotiate] = [globals.number('checktimeout'), globals.number('negotiatetimeout')];
  return {
    ...target,
    own,
    report,
    checkType,
    connects,
    service: serviceOf(target, own, report),
    checkTimeout: check ?? negotiate ?? allCheck ?? allNegotiate ?? DEFAULTS.check,
    negotiateTimeout: negotiate ?? check ?? allNegotiate ?? allCheck ?? DEFAULTS.negotiate,
    interval:
      (globals.is('fork') ? own.number('checkinterval') : undefined) ??
      globals.number('checkinterval') ??
      DEFAULTS.interval,
    failures: own.number('failurecount') ?? globals.number('failurecount') ?? DEFAULTS.failures,
    attempts: own.number('checkcount') ?? globals.number('checkcount') ?? DEFAULTS.attempts,
    isQuiescent: (own.text('quiescent') ?? globals.text('quiescent')) === 'yes',
  };
}

function checkTypeOf(own: Settings<SectionKey>, report: Report): { checkType: CheckType; connects: number } {
  const given = own.get('checktype');
  const digits = /\d+/.exec(given?.text ?? '')?.[0];
  if (digits !== undefined) {
    return { checkType: 'combined', connects: Number(digits) };
  }
  const word = /[\w-]+/.exec(given?.text ?? 'negotiate')?.[0];
  const checkType = CHECK_TYPES.find((each) => each === word);
  if (checkType === undefined) {
    report.dropped(given!.line, `ldirectord has no such checktype, and refuses the file; negotiate is taken`);
  }
  return { checkType: checkType ?? 'negotiate', connects: 0 };
}

function serviceOf({ mark, port }: Target, own: Settings<SectionKey>, report: Report): ServiceKind {
  const given = own.get('service');
  const word = /\w+/.exec(given?.text ?? '')?.[0] ?? '';
  const usual =
    mark === undefined
      ? (Object.keys(SERVICE_PORTS) as ServiceKind[]).find((kind) => SERVICE_PORTS[kind] === port)
      : undefined;
  if (given === undefined) {
    return usual ?? 'none';
  }
  if (Object.hasOwn(SERVICE_PORTS, word)) {
    return word as ServiceKind;
  }
  report.dropped(given.line, `ldirectord has no such service, and refuses the file; ${usual ?? 'none'} is taken`);
  return usual ?? 'none';
}
