/** The offloads of the director's network cards: refuses to start with some, or switches them off, and warns of others. */

import { BeelineError, type Model, type Warning } from '../model/index.js';
import { KernelError } from '../native/index.js';
import { isOffloadOn, type Link, type Network, type Offload, type Peer, switchOffloadOff } from '../net/index.js';
import type { Logger } from './log.js';
import { type Card, type InUse, mergesSegments, offloadWarnings, stripsTags } from './reports/offloads.js';

export interface OffloadsOptions {
  readonly network: Network;
  readonly log?: Logger;
  /** Whether the user gave leave to switch offloads off. */
  readonly setOffloads: boolean;
}

/** What the director's own cards may do that hurts. */
const OWN = ['rxvlan', 'gro', 'lro'] as const satisfies readonly Offload[];
/** Those that merge segments. */
const MERGING = ['gro', 'lro'] as const satisfies readonly Offload[];
/** What the other end of a veth may leave to a card. */
const OF_PEERS = ['txvlan', 'tx', 'tso'] as const satisfies readonly Offload[];

export class Offloads {
  readonly #options: OffloadsOptions;

  constructor(options: OffloadsOptions) {
    this.#options = options;
  }

  /**
   * Makes sure, before anything is attached, that XDP will see the VLAN tags that arrive by these interfaces.
   *
   * @throws BeelineError `VLAN_TAGS_HIDDEN` if one of them hides tags, and there is no leave or no way to switch that off
   */
  requireTags(names: readonly string[], mode: Model['mode']): void {
    for (const card of this.#cardsOf(names.map((name) => ({ name, mode }))).filter(stripsTags)) {
      const command = `"ethtool -K ${card.name} rxvlan off"`;
      const message = `${card.name} hides VLAN tags from XDP, so that frames of other VLANs would be forwarded as untagged ones`;
      if (!this.#options.setOffloads) {
        throw new BeelineError('VLAN_TAGS_HIDDEN', message, {
          hint: `Turn that off, ${command}, or let the director do so: "beeline run --set-offloads".`,
        });
      }
      const failure = this.#switchOff(card, 'rxvlan');
      if (failure !== undefined) {
        throw new BeelineError('VLAN_TAGS_HIDDEN', `${message}; it cannot be switched off: ${failure}`, {
          hint: `See what ${command} says, or use another card or driver.`,
        });
      }
    }
  }

  /** Switches off what hurts the interfaces in use, if there is leave: cards come back, and modes change. */
  settle(inUse: readonly InUse[]): void {
    if (!this.#options.setOffloads) {
      return;
    }
    for (const card of this.#cardsOf(inUse)) {
      const wrong = [...(stripsTags(card) ? (['rxvlan'] as const) : []), ...(mergesSegments(card) ? MERGING : [])];
      for (const offload of wrong.filter((each) => card.on.has(each))) {
        const failure = this.#switchOff(card, offload);
        if (failure !== undefined) {
          this.#options.log?.debug({ interface: card.name, offload, failure }, 'cannot switch an offload off');
        }
      }
    }
  }

  /** Returns a warning for each offload that hurts the interfaces in use, those of the other ends of veths included. */
  async warnings(inUse: readonly InUse[]): Promise<Warning[]> {
    const cards: Card[] = [];
    for (const card of this.#cardsOf(inUse)) {
      const peer = await this.#options.network.peerOf(card.link);
      const on = peer && readPeer(peer);
      cards.push(peer === undefined || on === undefined ? card : { ...card, peer: { ...peer, on } });
    }
    return offloadWarnings(cards);
  }

  /** Returns the cards by which the packets of these interfaces come in, with their offloads. */
  #cardsOf(inUse: readonly InUse[]): (Card & { readonly link: Link })[] {
    const { network } = this.#options;
    return inUse.flatMap(({ name, mode }) => {
      const top = network.link(name);
      if (top === undefined) {
        return [];
      }
      const leaves = network.leavesUnder(top.ifindex);
      const isBelow = leaves.length > 0;
      return (isBelow ? leaves : [top]).flatMap((link) => {
        const on = readCard(link.name);
        return on === undefined
          ? []
          : [
              {
                name: link.name,
                kind: link.kind,
                interface: name,
                over: isBelow ? top.kind : undefined,
                mode,
                on,
                link,
              },
            ];
      });
    });
  }

  /** Returns why an offload is still on; undefined if it is off. */
  #switchOff({ name, interface: of }: Card, offload: Offload): string | undefined {
    try {
      if (!switchOffloadOff(name, offload)) {
        return 'the driver keeps it on';
      }
    } catch (error) {
      if (error instanceof KernelError) {
        return error.message;
      }
      throw error;
    }
    const message = `switched off ${offload} of ${name}, and leaves it off: "ethtool -K ${name} ${offload} on" undoes it`;
    this.#options.log?.warn({ interface: of, card: name, offload }, message);
    return undefined;
  }
}

/** Returns which offloads of a card are on; undefined if the card is gone. */
function readCard(name: string): Set<Offload> | undefined {
  return readUnless((code) => code === 'ENODEV', name, OWN);
}

/** Returns which offloads of another card are on; undefined if it is gone, or may not be looked at. */
function readPeer({ name, namespace }: Peer): Set<Offload> | undefined {
  return readUnless(() => true, name, OF_PEERS, namespace);
}

function readUnless(
  hides: (code: string) => boolean,
  name: string,
  offloads: readonly Offload[],
  namespace?: string,
): Set<Offload> | undefined {
  try {
    return new Set(offloads.filter((offload) => isOffloadOn(name, offload, namespace)));
  } catch (error) {
    if (error instanceof KernelError && hides(error.code)) {
      return undefined;
    }
    throw error;
  }
}
