/** The warnings about VIPs that no packet can reach. Pure. */

import { type IpAddress, type Warning, type WarningCode } from '../../model/index.js';

/** A VIP that this host has on no interface that is up, and no other host as it should be. */
export type LostVip =
  /** Its interface is down. */
  | { readonly kind: 'down'; readonly vip: IpAddress; readonly link: string }
  /** Nobody answers for it on its network. */
  | { readonly kind: 'missing'; readonly vip: IpAddress; readonly link: string }
  /** It is on none of the director's networks, and no packet came. */
  | { readonly kind: 'unrouted'; readonly vip: IpAddress; readonly link: string }
  | { readonly kind: 'elsewhere'; readonly vip: IpAddress; readonly link: string; readonly realServer: IpAddress };

/** The most of one kind that have a warning each. */
const FEW = 5;

const CODES: Readonly<Record<LostVip['kind'], WarningCode>> = {
  down: 'VIP_MISSING',
  missing: 'VIP_MISSING',
  unrouted: 'VIP_UNROUTED',
  elsewhere: 'VIP_ELSEWHERE',
};

/** Returns a warning for each; for many of one kind, one for all. */
export function vipWarnings(lost: readonly LostVip[]): Warning[] {
  return (Object.keys(CODES) as LostVip['kind'][]).flatMap((kind) => {
    const alike = lost.filter((each) => each.kind === kind);
    const [first, ...others] = alike.toSorted((a, b) => (a.vip < b.vip ? -1 : 1));
    return alike.length > FEW ? [warningOf(first!, others.length)] : alike.map((each) => warningOf(each, 0));
  });
}

function warningOf(lost: LostVip, others: number): Warning {
  const { vip, link } = lost;
  const text = textOf(lost);
  const [more, each] = others === 0 ? ['', ''] : [` (and ${others} other VIPs)`, ', and so for each'];
  return {
    code: CODES[lost.kind],
    vip,
    interface: link,
    ...(lost.kind === 'elsewhere' && { realServer: lost.realServer }),
    message: `VIP ${vip}${more} ${text.message}`,
    remedy: `${text.remedy}${each}`,
  };
}

function textOf(lost: LostVip): Pick<Warning, 'message' | 'remedy'> {
  const { vip, link } = lost;
  const isV6 = vip.includes(':');
  const add = `"ip addr add ${vip}/${isV6 ? 128 : 32} dev ${link}"`;
  switch (lost.kind) {
    case 'down':
      return {
        message: `is on ${link} alone, which is down: this host does not answer for it`,
        remedy: `"ip link set ${link} up"`,
      };
    case 'missing':
      return {
        message: 'is on no interface of this host, and nobody on its network answers for it: no client reaches it',
        remedy: add,
      };
    case 'unrouted':
      return {
        message:
          'is on no interface and no network of this host, and no packet came for it: clients reach it only if a router ' +
          'sends its packets here',
        remedy: `${add}, or a route on the router to this host; neither, if another director has it now`,
      };
    case 'elsewhere':
      return {
        message:
          `is on no interface of this host, and real server ${lost.realServer} answers for it: packets go there, and not ` +
          'through this director',
        remedy:
          `${add}, and on the real server ` +
          (isV6
            ? 'have it on lo alone'
            : '"sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"') +
          '; neither, if that is the director that has it now',
      };
  }
}
