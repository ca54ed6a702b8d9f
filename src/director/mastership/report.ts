/** Reports of VRRP, for "status" and "failover". Pure. */

import type { FailoverReport, VrrpReport } from '../../control/index.js';
import type { IpAddress, VirtualRouter, Warning } from '../../model/index.js';
import { isoOf } from '../clock.js';
import type { Decision } from './decision.js';
import type { LeftVip } from './leave.js';
import type { VrrpState } from './notify.js';
import type { KeptInstance } from './store.js';

export interface VrrpSeen {
  readonly routers: readonly VirtualRouter[];
  readonly known: (name: string) => KeptInstance | undefined;
  /** The names of routers that heard another master. */
  readonly twoMasters: readonly string[];
  readonly isKeepalivedThere: boolean;
  /** This host's addresses. */
  readonly links: ReadonlyMap<IpAddress, { readonly name: string }>;
}

export function vrrpReport(
  seen: VrrpSeen & { readonly decision: Decision; readonly givenUpSince: number | undefined },
): VrrpReport {
  const { routers, known, isKeepalivedThere, links, decision, givenUpSince } = seen;
  return {
    mayBeMaster: decision.may,
    reasons: decision.reasons,
    ...(givenUpSince !== undefined && { givenUpSince: isoOf(givenUpSince) }),
    keepalived: isKeepalivedThere ? 'running' : 'gone',
    instances: routers.map(({ name, interface: device, id, addresses }) => {
      const last = known(name);
      return {
        name,
        interface: device,
        id,
        state: last?.state ?? 'UNKNOWN',
        ...(last !== undefined && { since: isoOf(last.since), priority: last.priority }),
        addresses: addresses.map((address) => ({ address, here: links.has(address) })),
      };
    }),
  };
}

/** Returns what is wrong: addresses that nobody maintains, and two masters. */
export function vrrpWarnings({ routers, twoMasters, isKeepalivedThere, links }: VrrpSeen): Warning[] {
  const left = routers.flatMap(({ addresses }) => addresses).filter((address) => links.has(address));
  const [vip] = left;
  const unmaintained: Warning[] =
    isKeepalivedThere || vip === undefined
      ? []
      : [
          {
            code: 'VRRP_UNMAINTAINED',
            vip,
            interface: links.get(vip)!.name,
            message:
              `keepalived is gone, and VIP ${vip}${left.length > 1 ? ` (and ${left.length - 1} others)` : ''} is on this host ` +
              'still: another director has it as well',
            remedy: 'start keepalived ("systemctl restart keepalived"), which takes it off or keeps it as it should be',
          },
        ];
  return [
    ...unmaintained,
    ...twoMasters.map((name): Warning => ({
      code: 'VRRP_TWO_MASTERS',
      message: `vrrp ${name}: another director was master at the same time a moment ago`,
      remedy:
        'see whether the directors hear each other: VRRP is IP protocol 112, which a firewall or a switch may block',
    })),
  ];
}

export function failoverReport(
  { may, reasons }: Decision,
  givenUpSince: number | undefined,
  vips: readonly LeftVip[],
  isTakenBack: boolean,
): FailoverReport {
  return {
    mayBeMaster: may,
    reasons,
    ...(givenUpSince !== undefined && { givenUpSince: isoOf(givenUpSince) }),
    vips,
    ...(isTakenBack && { takenBack: true }),
  };
}

export function vrrpWords(state: VrrpState): string {
  switch (state) {
    case 'UNKNOWN':
      return 'keepalived is gone without a word; if it was MASTER, this host has the VIPs still';
    case 'STOP':
      return 'keepalived ended';
    default:
      return state;
  }
}
