/** Keeps tables of this host's links, addresses and neighbours up to date by the kernel's events. */

import { setTimeout as sleep } from 'node:timers/promises';

import {
  compareIp,
  type DeviceAbove,
  type Interface,
  type IpAddress,
  isVirtualMac,
  type MacAddress,
} from '../model/index.js';
import { type NetlinkMessage, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from './netlink.js';
import { type Peer, Peers } from './peers.js';
import {
  type Address,
  decodeAddress,
  decodeLink,
  decodeNeighbour,
  decodeRoute,
  dumpPayload,
  type Link,
  type Neighbour,
  neighbourPayload,
  permanentNeighbourPayload,
  type Route,
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
} from './rtnetlink.js';
import { EventSocket, NetlinkError, RequestSocket } from './socket.js';
import { BONDS, devicesAbove, isBridging, leavesUnder } from './stack.js';
import { addressPayload, aliasPayload, linkRemovalPayload, linkUpPayload, vethPayload, type VethSpec } from './veth.js';

/** The table that changed. */
export type NetworkChange = 'links' | 'addresses' | 'neighbours';

/** Called after a table changed. @param address the neighbour's; undefined: anything of the table may have changed */
export type OnNetworkChange = (change: NetworkChange, address?: IpAddress) => void;

/** Answers to a request for a route when there is none: ENETUNREACH and EHOSTUNREACH (errno.h). */
const NO_ROUTE = [101, 113];

/** The tables, and the requests that list their entries. */
const KINDS = [
  { change: 'links', type: RTM_GETLINK, what: 'list links' },
  { change: 'addresses', type: RTM_GETADDR, what: 'list addresses' },
  { change: 'neighbours', type: RTM_GETNEIGH, what: 'list neighbours' },
] as const satisfies readonly { change: NetworkChange; type: number; what: string }[];

/** The delays between attempts to read a list: each is twice the one before. */
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 5_000;
/** Attempts to read the tables before `open` fails. */
const ATTEMPTS_AT_START = 5;

export interface NetworkOptions {
  /** Called when the tables could not be read, or events were lost. The tables are read again until that succeeds. */
  readonly onTrouble?: (error: unknown) => void;
  /** The socket for requests; only tests give another one. */
  readonly requests?: RequestSocket;
}

/** The tables of the caller's network namespace. Its events keep the process alive until `close`. */
export class Network implements Disposable {
  readonly #requests: RequestSocket;
  readonly #events: EventSocket;
  readonly #onChange: OnNetworkChange;
  readonly #onTrouble: (error: unknown) => void;
  readonly #links = new Map<number, Link>();
  readonly #addresses = new Map<string, Address>();
  readonly #neighbours = new Map<string, Neighbour>();
  /** Events of tables that are being read. They are applied after the kernel's answer. */
  readonly #waiting = new Map<NetworkChange, NetlinkMessage[]>();
  /** Counts how often events were lost. Tables that were read before are out of date. */
  #overruns = 0;
  #loading: Promise<void> | undefined;
  readonly #end = new AbortController();
  readonly #peers: Peers;

  private constructor(onChange: OnNetworkChange, { onTrouble, requests }: NetworkOptions) {
    this.#requests = requests ?? new RequestSocket();
    this.#peers = new Peers(this.#requests);
    this.#onChange = onChange;
    this.#onTrouble = onTrouble ?? (() => undefined);
    this.#events = new EventSocket(
      Object.values(RTNLGRP),
      (messages) => {
        messages.forEach((message) => {
          this.#receive(message);
        });
      },
      () => {
        this.#overruns += 1;
        this.#onTrouble(new Error('the kernel sent more changes at once than the event socket holds'));
        this.#loading ??= this.#reload();
      },
    );
  }

  /**
   * Listens to the events of the caller's network namespace and reads the tables.
   *
   * @throws NetlinkError when the tables cannot be read
   */
  static async open(onChange: OnNetworkChange, options: NetworkOptions = {}): Promise<Network> {
    const network = new Network(onChange, options);
    try {
      await (network.#loading ??= network.#load(ATTEMPTS_AT_START));
    } catch (error) {
      network.close();
      throw error;
    }
    return network;
  }

  /** Reads the tables after events were lost. Everything may have changed. */
  async #reload(): Promise<void> {
    try {
      await this.#load(Infinity);
    } catch (error) {
      if (!this.#end.signal.aborted) {
        this.#onTrouble(error);
      }
      return;
    }
    KINDS.forEach(({ change }) => {
      this.#onChange(change);
    });
  }

  /** Reads all tables until they are complete. */
  async #load(attempts: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const overruns = this.#overruns;
      try {
        await this.#readTables();
      } catch (error) {
        if (attempt >= attempts || this.#end.signal.aborted) {
          this.#loading = undefined;
          throw error;
        }
        this.#onTrouble(error);
        const delayMs = Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LAST_RETRY_MS);
        await sleep(delayMs, undefined, { signal: this.#end.signal });
        continue;
      }
      if (overruns === this.#overruns) {
        this.#loading = undefined;
        return;
      }
    }
  }

  /**
   * Reads each table. Events already arrive, so that no change is missed. Those that arrive while a table is read are
   * applied after it, since the kernel's answer may be older.
   */
  async #readTables(): Promise<void> {
    KINDS.forEach(({ change }) => this.#waiting.set(change, []));
    try {
      for (const { change, type, what } of KINDS) {
        const messages = await this.#requests.dump(type, dumpPayload(type), what);
        this.#tableOf(change).clear();
        messages.forEach((message) => this.#update(message));
        this.#applyWaiting(change);
      }
    } finally {
      // A table that could not be read stays as it was, and events change it until it is read.
      KINDS.forEach(({ change }) => {
        this.#applyWaiting(change);
      });
    }
  }

  #applyWaiting(change: NetworkChange): void {
    const messages = this.#waiting.get(change) ?? [];
    this.#waiting.delete(change);
    messages.forEach((message) => {
      this.#receive(message);
    });
  }

  #tableOf(change: NetworkChange): Map<unknown, unknown> {
    return { links: this.#links, addresses: this.#addresses, neighbours: this.#neighbours }[change];
  }

  /** Applies an event, or keeps it while its table is read. */
  #receive(message: NetlinkMessage): void {
    const kind = kindOf(message.type);
    const waiting = kind && this.#waiting.get(kind);
    if (waiting !== undefined) {
      waiting.push(message);
    } else if (kind === 'neighbours') {
      const changed = this.#updateNeighbour(message);
      if (changed !== undefined) {
        this.#onChange(kind, changed);
      }
    } else if (kind !== undefined && this.#update(message)) {
      this.#onChange(kind);
    }
  }

  /** Applies a message to the table of neighbours. Returns the neighbour that changed. */
  #updateNeighbour(message: NetlinkMessage): IpAddress | undefined {
    const neighbour = decodeNeighbour(message);
    if (neighbour === undefined) {
      return undefined;
    }
    const key = neighbourKey(neighbour.ifindex, neighbour.address);
    const before = this.#neighbours.get(key);
    if (message.type === RTM_DELNEIGH) {
      this.#neighbours.delete(key);
      return before?.address;
    }
    this.#neighbours.set(key, neighbour);
    return before === undefined || !isSameNeighbour(before, neighbour) ? neighbour.address : undefined;
  }

  /** Applies a message to its table. Returns whether the table changed. */
  #update(message: NetlinkMessage): boolean {
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        const link = decodeLink(message);
        return link !== undefined && put(this.#links, link.ifindex, message.type === RTM_NEWLINK ? link : undefined);
      }
      case RTM_NEWADDR:
      case RTM_DELADDR: {
        const address = decodeAddress(message);
        const key = address && `${address.ifindex} ${address.address}`;
        return key !== undefined && put(this.#addresses, key, message.type === RTM_NEWADDR ? address : undefined);
      }
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        return this.#updateNeighbour(message) !== undefined;
      default:
        return false;
    }
  }

  link(name: string): Link | undefined {
    return [...this.#links.values()].find((link) => link.name === name);
  }

  /** Returns a link as the data path sees it: members of one bond are one group. */
  interface(name: string): Interface | undefined {
    const link = this.link(name);
    if (link === undefined) {
      return undefined;
    }
    const { ifindex, mac, up, mtu, master } = link;
    const bonded = master !== undefined && BONDS.includes(this.#links.get(master)?.kind ?? '');
    const addresses = this.#answeringFrom(ifindex, master);
    const above = this.#above(link);
    return {
      name,
      ifindex,
      mac,
      up,
      mtu,
      group: bonded ? master : ifindex,
      addresses,
      ...(above.length > 0 && { above }),
    };
  }

  /** Returns the devices above a link that are up, and have addresses, or are VLAN devices or virtual routers'. */
  #above(link: Link): DeviceAbove[] {
    const above = devicesAbove(link, [...this.#links.values()]);
    const isShared = above.some(({ device }) => isBridging(device));
    return above
      .filter(({ device }) => device.up)
      .sort((a, b) => a.device.ifindex - b.device.ifindex)
      .flatMap(({ device: { name, mac, ifindex, vlan, kind }, tags }) => {
        const here = [...this.#addresses.values()].filter((each) => each.ifindex === ifindex);
        const addresses = here.map(({ address }) => address).sort(compareIp);
        const isVlan = vlan !== undefined;
        const isRouter = !isShared && kind === 'macvlan' && isVirtualMac(mac);
        return isVlan || isRouter || addresses.length > 0
          ? [{ name, mac, addresses, ...(isVlan && { vlan: tags }), ...(isRouter && { router: true }) }]
          : [];
      });
  }

  /**
   * Returns the addresses from which to answer what comes by an interface, in the order of the kernel's choice
   * (inet_select_addr(), ipv6_dev_get_saddr()): of the interface, of the bond or bridge over it, of any other interface;
   * last the interface's link-local ones.
   */
  #answeringFrom(ifindex: number, master: number | undefined): IpAddress[] {
    const preferred = [...this.#addresses.values()].filter((each) => each.preferred);
    const rank = (each: Address): number => (each.ifindex === ifindex ? 0 : each.ifindex === master ? 1 : 2);
    const global = preferred.filter(({ scope }) => scope === 'global').sort((a, b) => rank(a) - rank(b));
    const local = preferred.filter(({ scope, ifindex: index }) => scope === 'link' && index === ifindex);
    return [...global, ...local].map(({ address }) => address);
  }

  /** The indices of all links. */
  ifindexes(): number[] {
    return [...this.#links.keys()];
  }

  linkByIndex(ifindex: number): Link | undefined {
    return this.#links.get(ifindex);
  }

  /** Returns the interfaces at the bottom of a bond, bridge or VLAN device: where its packets come in. Of others: none. */
  leavesUnder(ifindex: number): Link[] {
    return leavesUnder(ifindex, [...this.#links.values()]);
  }

  /** Returns the other end of a veth; undefined if it cannot be seen, or the link is no veth. */
  peerOf(link: Link): Promise<Peer | undefined> {
    return this.#peers.of(link, this.#links);
  }

  /** Returns this host's addresses, each with a link that has it: one that is up, if there is one. */
  linksByAddress(): Map<IpAddress, Link> {
    const links = new Map<IpAddress, Link>();
    for (const { address, ifindex } of this.#addresses.values()) {
      const link = this.#links.get(ifindex);
      if (link !== undefined && links.get(address)?.up !== true) {
        links.set(address, link);
      }
    }
    return links;
  }

  hasAddress(address: IpAddress): boolean {
    return [...this.#addresses.values()].some((each) => each.address === address);
  }

  /** The addresses that no packet from the network has as its source: this host's, and its networks' broadcasts. */
  ownAddresses(): IpAddress[] {
    return [...this.#addresses.values()].flatMap(({ address, broadcasts }) => [address, ...broadcasts]);
  }

  neighbour(ifindex: number, address: IpAddress): Neighbour | undefined {
    return this.#neighbours.get(neighbourKey(ifindex, address));
  }

  /** Returns the neighbours that the kernel keeps resolved, whatever program asked for it. */
  managedNeighbours(): Neighbour[] {
    return [...this.#neighbours.values()].filter(({ managed }) => managed);
  }

  /** Asks the kernel for the route to an address; undefined if there is none. @throws NetlinkError */
  async route(address: IpAddress): Promise<Route | undefined> {
    const [route] = await this.routes([address]);
    if (route instanceof NetlinkError) {
      throw route;
    }
    return route;
  }

  /**
   * The same for many addresses. Returns the kernel's refusal instead of a route.
   *
   * @param asConfigured the routes with the networks that they are for
   */
  async routes(
    addresses: readonly IpAddress[],
    { asConfigured = false }: { readonly asConfigured?: boolean } = {},
  ): Promise<(Route | undefined | NetlinkError)[]> {
    const outcomes = await this.#requests.requestEach(
      addresses.map((address) => ({
        type: RTM_GETROUTE,
        flags: 0,
        payload: routeRequestPayload(address, asConfigured),
        what: `route to ${address}`,
      })),
    );
    return outcomes.map((outcome) => {
      if (outcome instanceof NetlinkError) {
        return NO_ROUTE.includes(outcome.errno) ? undefined : outcome;
      }
      const answer = outcome.find(({ type }) => type === RTM_NEWROUTE);
      return answer && decodeRoute(answer);
    });
  }

  /**
   * Makes the kernel resolve a neighbour's MAC address and keep it resolved, or stops that.
   *
   * Minimum kernel version: 5.16.
   *
   * @throws NetlinkError, for example when the interface is gone
   */
  async manageNeighbour(ifindex: number, address: IpAddress, managed: boolean): Promise<void> {
    const [refusal] = await this.manageNeighbours([{ ifindex, address }], managed);
    if (refusal !== undefined) {
      throw refusal;
    }
  }

  /** The same for many neighbours. Returns the kernel's refusal of each; undefined: it did it. */
  async manageNeighbours(
    neighbours: readonly Pick<Neighbour, 'ifindex' | 'address'>[],
    managed: boolean,
  ): Promise<(NetlinkError | undefined)[]> {
    const outcomes = await this.#requests.requestEach(
      neighbours.map(({ ifindex, address }) => ({
        type: RTM_NEWNEIGH,
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        payload: neighbourPayload(address, ifindex, managed),
        what: `${managed ? 'resolve' : 'release'} neighbour ${address}`,
      })),
    );
    return outcomes.map((outcome) => (outcome instanceof NetlinkError ? outcome : undefined));
  }

  /**
   * Sets the MAC of a neighbour for good, as "ip neigh replace … nud permanent", or removes the entry. Entries that were made
   * so are `ours`.
   *
   * Minimum kernel version: 5.2 for `ours`.
   *
   * @throws NetlinkError, for example when the interface is gone
   */
  async setNeighbour(ifindex: number, address: IpAddress, mac: MacAddress | undefined): Promise<void> {
    const [type, flags] = mac === undefined ? [RTM_DELNEIGH, 0] : [RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE];
    const payload = permanentNeighbourPayload(address, ifindex, mac);
    await this.#requests.request(type, flags, payload, `neighbour ${address}`);
  }

  /** Makes a veth. Its ends are down, and appear here later, as all links do. @throws NetlinkError */
  async createVeth(spec: VethSpec): Promise<void> {
    const flags = NLM_F_CREATE | NLM_F_EXCL;
    await this.#requests.request(RTM_NEWLINK, flags, vethPayload(spec), `veth ${spec.ends[0].name}`);
    for (const { name } of spec.ends) {
      await this.#requests.request(RTM_NEWLINK, 0, aliasPayload(name, spec.alias), `alias of ${name}`);
    }
  }

  /** Sets a link up, with an MTU. @throws NetlinkError */
  async setUp(ifindex: number, mtu?: number): Promise<void> {
    await this.#requests.request(RTM_NEWLINK, 0, linkUpPayload(ifindex, mtu), `link ${ifindex} up`);
  }

  /** Removes a link; of a veth, both ends. @throws NetlinkError */
  async removeLink(ifindex: number): Promise<void> {
    await this.#requests.request(RTM_DELLINK, 0, linkRemovalPayload(ifindex), `removal of link ${ifindex}`);
  }

  /** Gives a link an address, if it has not got it yet. @throws NetlinkError */
  async addAddress(ifindex: number, address: IpAddress, prefixLength: number): Promise<void> {
    const payload = addressPayload(ifindex, address, prefixLength);
    await this.#requests.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, payload, `address ${address}`);
  }

  /** All addresses of this host. */
  addresses(): Address[] {
    return [...this.#addresses.values()];
  }

  /** All links of this host. */
  links(): Link[] {
    return [...this.#links.values()];
  }

  /** The hosts whose MACs the kernel knows. */
  neighbours(): Neighbour[] {
    return [...this.#neighbours.values()].filter(({ mac, failed }) => mac !== undefined && !failed);
  }

  /** Returns the entries that `setNeighbour` made, also those of a process that was killed. */
  ownNeighbours(): Neighbour[] {
    return [...this.#neighbours.values()].filter(({ ours }) => ours);
  }

  /** Returns the addresses of an interface that packets may have as their source, in the order in which it got them. */
  sourcesOn(ifindex: number): IpAddress[] {
    return [...this.#addresses.values()]
      .filter((each) => each.ifindex === ifindex && each.preferred && each.scope !== 'host')
      .map(({ address }) => address);
  }

  /** Has the kernel ask once who has addresses, as packets to them would. Answers come to `neighbour`; refusals are not told. */
  async solicit(neighbours: readonly Pick<Neighbour, 'ifindex' | 'address'>[]): Promise<void> {
    await this.manageNeighbours(neighbours, false);
  }

  close(): void {
    this.#end.abort();
    this.#events.close();
    this.#requests.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function kindOf(type: number): NetworkChange | undefined {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return 'links';
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return 'addresses';
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return 'neighbours';
    default:
      return undefined;
  }
}

function neighbourKey(ifindex: number, address: IpAddress): string {
  return `${ifindex} ${address}`;
}

function isSameNeighbour(a: Neighbour, b: Neighbour): boolean {
  return (
    a.mac === b.mac &&
    a.failed === b.failed &&
    a.permanent === b.permanent &&
    a.managed === b.managed &&
    a.ours === b.ours
  );
}

/** Sets or deletes an entry. Returns whether the table changed. */
function put<Key, Value extends object>(table: Map<Key, Value>, key: Key, value: Value | undefined): boolean {
  if (value === undefined) {
    return table.delete(key);
  }
  const before = table.get(key);
  table.set(key, value);
  return before === undefined || JSON.stringify(before) !== JSON.stringify(value);
}
