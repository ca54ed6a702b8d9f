/** This host's links, addresses and neighbours, kept up to date by the kernel's events. */

import type { Interface, IpAddress } from '../model/index.js';
import { NLM_F_CREATE, NLM_F_REPLACE, type NetlinkMessage } from './netlink.js';
import {
  decodeAddress,
  decodeLink,
  decodeNeighbour,
  decodeRoute,
  dumpPayload,
  neighbourPayload,
  routeRequestPayload,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETNEIGH,
  RTM_GETROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTNLGRP,
  type Address,
  type Link,
  type Neighbour,
  type Route,
} from './rtnetlink.js';
import { EventSocket, NetlinkError, RequestSocket } from './socket.js';

/** What of the network changed. */
export type NetworkChange = 'links' | 'addresses' | 'neighbours';

/** ENETUNREACH and EHOSTUNREACH (errno.h): there is no route. */
const NO_ROUTE = [101, 113];

/** Devices that send by any of their members. */
const BONDS = ['bond', 'team'];

/** Lives until `close`; its events keep the process alive. */
export class Network implements Disposable {
  readonly #requests = new RequestSocket();
  readonly #events: EventSocket;
  readonly #onChange: (change: NetworkChange) => void;
  readonly #links = new Map<number, Link>();
  readonly #addresses = new Map<string, Address>();
  readonly #neighbours = new Map<string, Neighbour>();
  #closed = false;

  private constructor(onChange: (change: NetworkChange) => void) {
    this.#onChange = onChange;
    this.#events = new EventSocket(
      Object.values(RTNLGRP),
      (messages) => {
        messages.forEach((message) => {
          this.#apply(message, true);
        });
      },
      () => {
        void this.#reload();
      },
    );
  }

  /**
   * Listens to the network of the caller's namespace and reads how it stands.
   *
   * @param onChange called after something changed that is told here
   */
  static async open(onChange: (change: NetworkChange) => void): Promise<Network> {
    const network = new Network(onChange);
    await network.#load();
    return network;
  }

  /** Events come from before the dumps on, so nothing falls between the two. */
  async #load(): Promise<void> {
    const kinds = [
      { type: RTM_GETLINK, what: 'list links', table: this.#links },
      { type: RTM_GETADDR, what: 'list addresses', table: this.#addresses },
      { type: RTM_GETNEIGH, what: 'list neighbours', table: this.#neighbours },
    ];
    for (const { type, what, table } of kinds) {
      const messages = await this.#requests.dump(type, dumpPayload(type), what);
      table.clear();
      messages.forEach((message) => {
        this.#apply(message, false);
      });
    }
  }

  /** Events were lost: everything may have changed. */
  async #reload(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      if (!this.#closed) {
        throw error;
      }
      return;
    }
    (['links', 'addresses', 'neighbours'] as const).forEach(this.#onChange);
  }

  #apply(message: NetlinkMessage, tell: boolean): void {
    const change = this.#update(message);
    if (tell && change !== undefined) {
      this.#onChange(change);
    }
  }

  /** Returns what changed, undefined when nothing that is told here did. */
  #update(message: NetlinkMessage): NetworkChange | undefined {
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        const link = decodeLink(message);
        const changed = link && put(this.#links, link.ifindex, message.type === RTM_NEWLINK ? link : undefined);
        return changed === true ? 'links' : undefined;
      }
      case RTM_NEWADDR:
      case RTM_DELADDR: {
        const address = decodeAddress(message);
        const key = address && `${address.ifindex} ${address.address}`;
        const changed = key && put(this.#addresses, key, message.type === RTM_NEWADDR ? address : undefined);
        return changed === true ? 'addresses' : undefined;
      }
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH: {
        const neighbour = decodeNeighbour(message);
        const key = neighbour && neighbourKey(neighbour.ifindex, neighbour.address);
        const changed = key && put(this.#neighbours, key, message.type === RTM_NEWNEIGH ? neighbour : undefined);
        return changed === true ? 'neighbours' : undefined;
      }
      default:
        return undefined;
    }
  }

  link(name: string): Link | undefined {
    return [...this.#links.values()].find((link) => link.name === name);
  }

  /** A link as the data path sees it: members of one bond are one group. */
  interface(name: string): Interface | undefined {
    const link = this.link(name);
    if (link === undefined) {
      return undefined;
    }
    const { ifindex, mac, up, mtu, master } = link;
    const bonded = master !== undefined && BONDS.includes(this.#links.get(master)?.kind ?? '');
    return { name, ifindex, mac, up, mtu, group: bonded ? master : ifindex };
  }

  linkByIndex(ifindex: number): Link | undefined {
    return this.#links.get(ifindex);
  }

  hasAddress(address: IpAddress): boolean {
    return [...this.#addresses.values()].some((each) => each.address === address);
  }

  neighbour(ifindex: number, address: IpAddress): Neighbour | undefined {
    return this.#neighbours.get(neighbourKey(ifindex, address));
  }

  /** Which way a packet to an address would go; undefined when there is no route. */
  async route(address: IpAddress): Promise<Route | undefined> {
    try {
      const messages = await this.#requests.request(
        RTM_GETROUTE,
        0,
        routeRequestPayload(address),
        `route to ${address}`,
      );
      const answer = messages.find(({ type }) => type === RTM_NEWROUTE);
      return answer && decodeRoute(answer);
    } catch (error) {
      if (error instanceof NetlinkError && NO_ROUTE.includes(error.errno)) {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * Has the kernel find out a neighbour's MAC address and keep it current (kernel 5.16), until it is told to let go.
   *
   * @throws NetlinkError for example when the interface is gone
   */
  async manageNeighbour(ifindex: number, address: IpAddress, managed: boolean): Promise<void> {
    await this.#requests.request(
      RTM_NEWNEIGH,
      NLM_F_CREATE | NLM_F_REPLACE,
      neighbourPayload(address, ifindex, managed),
      `${managed ? 'resolve' : 'let go of'} neighbour ${address}`,
    );
  }

  close(): void {
    this.#closed = true;
    this.#events.close();
    this.#requests.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function neighbourKey(ifindex: number, address: IpAddress): string {
  return `${ifindex} ${address}`;
}

/** Sets or deletes; true when that made a difference. */
function put<Key, Value extends object>(table: Map<Key, Value>, key: Key, value: Value | undefined): boolean {
  if (value === undefined) {
    return table.delete(key);
  }
  const before = table.get(key);
  table.set(key, value);
  return before === undefined || JSON.stringify(before) !== JSON.stringify(value);
}
