/** Which offloads of network cards hurt, and what to say about them. Pure. */

import type { Warning } from '../../model/index.js';
import { BONDS, type Offload, type Peer } from '../../net/index.js';

/** An interface of the director, and the mode in which the program is attached to it, or will be. */
export interface InUse {
  readonly name: string;
  readonly mode: 'native' | 'generic' | 'auto';
}

/** An interface of the director, or one of those under it. */
export interface Card {
  readonly name: string;
  /** The driver's kind of device; empty for hardware. */
  readonly kind: string;
  /** The director's interface that gets its packets: itself, or the one over it. */
  readonly interface: string;
  /** The kind of the director's interface over it; undefined: it is one itself. */
  readonly over: string | undefined;
  readonly mode: InUse['mode'];
  readonly on: ReadonlySet<Offload>;
  /** The other end of a veth, if it can be seen. */
  readonly peer?: (Peer & { readonly on: ReadonlySet<Offload> }) | undefined;
}

/** In generic mode the kernel itself takes the tag out before any device on top of the card sees the frame. */
function seesOwnTags({ over, mode }: Card): boolean {
  return over === undefined || (BONDS.includes(over) && mode !== 'generic');
}

/**
 * Whether a card takes VLAN tags out of frames before the program sees them. A veth says that it does, and does not: its
 * frames come as the other end sends them.
 */
export function stripsTags(card: Card): boolean {
  return card.kind !== 'veth' && card.on.has('rxvlan') && seesOwnTags(card);
}

/**
 * Whether a card merges segments before the program sees them. Not the interface itself: the kernel merges nothing where a
 * program is attached in generic mode (netif_elide_gro(), generic_xdp_install()).
 */
export function mergesSegments({ over, mode, on }: Card): boolean {
  return mode === 'generic' && over !== undefined && (on.has('gro') || on.has('lro'));
}

/** Returns the warnings about cards and the other ends of their cables. */
export function offloadWarnings(cards: readonly Card[]): Warning[] {
  return cards.flatMap((card) => [...ofCard(card), ...ofPeer(card)]);
}

function ofCard(card: Card): Warning[] {
  const { name, interface: of } = card;
  return [
    ...(stripsTags(card)
      ? [
          {
            code: 'VLAN_TAGS_HIDDEN',
            interface: of,
            message: `${name} hides VLAN tags from XDP`,
            remedy: `turn that off, "ethtool -K ${name} rxvlan off"`,
          } as const,
        ]
      : []),
    ...(mergesSegments(card)
      ? [
          {
            code: 'SEGMENTS_MERGED',
            interface: of,
            message: `${name} merges TCP segments before ${of} gets them in generic mode, longer than packets may be`,
            remedy: `turn that off, "ethtool -K ${name} gro off lro off"`,
          } as const,
        ]
      : []),
  ];
}

/** What the other end of a veth leaves to a network card that there is none: nobody does it before the program. */
function ofPeer(card: Card): Warning[] {
  const { name, interface: of, over, mode, peer } = card;
  if (peer === undefined) {
    return [];
  }
  const end = `the other end of ${name}, ${peer.name}${where(peer)}`;
  const remedy = (feature: string): string =>
    `turn that off, "${inNamespace(peer)}ethtool -K ${peer.name} ${feature} off"`;
  const common = { interface: of, peer: peer.name };
  return [
    ...(peer.on.has('txvlan') && seesOwnTags(card)
      ? [
          {
            ...common,
            code: 'VLAN_TAGS_HIDDEN',
            message: `${end}, keeps VLAN tags beside the frames, where XDP does not see them`,
            remedy: remedy('txvlan'),
          } as const,
        ]
      : []),
    ...(peer.on.has('tso') && mode === 'generic'
      ? [
          {
            ...common,
            code: 'SEGMENTS_MERGED',
            message: `${end}, leaves it to the card to cut TCP data into segments: in generic mode ${of} gets them in one, longer than packets may be`,
            remedy: remedy('tso'),
          } as const,
        ]
      : []),
    ...(peer.on.has('tx') && mode !== 'generic' && over === undefined
      ? [
          {
            ...common,
            code: 'CHECKSUMS_UNFINISHED',
            message: `${end}, leaves checksums to the card: packets of senders on this host are forwarded with unfinished ones, and lost`,
            remedy: remedy('tx'),
          } as const,
        ]
      : []),
  ];
}

function where({ namespace }: Peer): string {
  const name = namedNamespace(namespace);
  return namespace === undefined
    ? ''
    : name === undefined
      ? ' in another network namespace'
      : ` in the namespace ${name}`;
}

/** The beginning of a command for the namespace. */
function inNamespace({ namespace }: Peer): string {
  const name = namedNamespace(namespace);
  return namespace === undefined ? '' : name === undefined ? `nsenter --net=${namespace} ` : `ip netns exec ${name} `;
}

/** Returns the name by which "ip netns" knows a namespace. */
function namedNamespace(path: string | undefined): string | undefined {
  return path?.startsWith('/run/netns/') === true ? path.slice('/run/netns/'.length) : undefined;
}
