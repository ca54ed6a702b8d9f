/** The warnings about VIPs that no packet can reach. Pure. */

import { type IpAddress, type Warning, type WarningCode } from '../../model/index.js';

/** A VIP that this host has on no interface that is up, and no other host as it should be. */
export type LostVip = Place & {
  readonly vip: IpAddress;
  readonly link: string;
  /** The virtual router of VRRP that has it: keepalived adds it to the master. */
  readonly router?: string;
};

type Place =
  /** Its interface is down. */
  | { readonly kind: 'down' }
  /** Nobody answers for it on its network. */
  | { readonly kind: 'missing' }
  /** It is on none of the director's networks, and no packet came. */
  | { readonly kind: 'unrouted' }
  | { readonly kind: 'elsewhere'; readonly realServer: IpAddress };

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
  const { vip, link, router } = lost;
  const add =
    router === undefined
      ? `"beeline vip add ${vip} --interface ${link}"`
      : `"journalctl -u keepalived" on each director: VRRP's instance ${router} has it, and its master adds it`;
  switch (lost.kind) {
    case 'down':
      return {
        message: `is on ${link} alone, which is down: this host does not answer for it`,
        remedy: `"ip link set ${link} up"`,
      };
    case 'missing':
      return {
        message:
          'is on no interface of this host, and nobody on its network answers for it: clients reach it only if a router has a ' +
          'route for it to this host',
        remedy: add,
      };
    case 'unrouted':
      return {
        message:
          'is on no interface and no network of this host, and no packet came for it: clients reach it only if a router ' +
          'sends its packets here',
        remedy: `${add}, or a route on the router to this host and "beeline vip add ${vip} --announce"; neither, if another director has it now`,
      };
    case 'elsewhere':
      return {
        message:
          `is on no interface of this host, and real server ${lost.realServer} answers for it: packets go there, and not ` +
          'through this director',
        remedy:
          `on the real server "beeline realserver setup --vip ${vip}", and then here ${add}; neither, if that is the ` +
          'director that has it now',
      };
  }
}
