/** The way to each real server that is checked: the source address, the interface, and a neighbour where the kernel has none. */

import {
  familyOf,
  type IpAddress,
  ipBytes,
  isLinkLocal,
  isSelf,
  type MacAddress,
  type Vlan,
} from '../../model/index.js';
import { type Network, NetlinkError, type Route } from '../../net/index.js';
import type { Wish } from './plan.js';

/** What ways need of the network. */
export type WayNetwork = Pick<
  Network,
  'routes' | 'neighbour' | 'link' | 'linkByIndex' | 'hasAddress' | 'sourcesOn' | 'ownNeighbours' | 'setNeighbour'
>;

export type Way =
  | { readonly kind: 'network'; readonly local: IpAddress; readonly ifindex: number; readonly scope?: number }
  /** The real server is this host. Packets to the VIP stay here if it has the VIP, so the check goes to `address`. */
  | { readonly kind: 'here' }
  | { readonly kind: 'none'; readonly reason: string };

interface Made {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: MacAddress | undefined;
}

export class Ways {
  readonly #network: WayNetwork;
  readonly #ways = new Map<string, Way>();
  /** The neighbour entries that are Beeline's, by interface and address. Undefined: those of a daemon that was killed are not known yet. */
  #made: Map<string, Made> | undefined;
  /** The neighbour entry that each way needs, by the key of its wish. */
  readonly #needs = new Map<string, Made>();
  #wishes: ReadonlyMap<string, Wish> = new Map();
  #vips: ReadonlySet<IpAddress> = new Set();

  constructor(network: WayNetwork) {
    this.#network = network;
  }

  /**
   * @param vips addresses that no check has as its source: real servers take them for their own
   * @returns whether these are others than before
   */
  want(wishes: ReadonlyMap<string, Wish>, vips: ReadonlySet<IpAddress>): boolean {
    const before = this.#vips;
    this.#wishes = wishes;
    this.#vips = vips;
    return before.size !== vips.size || [...vips].some((vip) => !before.has(vip));
  }

  /** Returns a way; the same object while it is the same. Undefined: it was not looked for yet. */
  get(key: string): Way | undefined {
    return this.#ways.get(key);
  }

  /** The interfaces by which packets to VIPs leave. */
  get interfaces(): number[] {
    const found = new Set<number>();
    for (const { key, toVip } of this.#wishes.values()) {
      const way = this.#ways.get(key);
      if (toVip && way?.kind === 'network') {
        found.add(way.ifindex);
      }
    }
    return [...found].sort((a, b) => a - b);
  }

  /**
   * Looks for all ways again, or for those alone that are wanted and were not looked for.
   *
   * @throws KernelError if the netlink socket fails: the ways stay as they were
   */
  async refresh(isAll = true): Promise<void> {
    const wishes = [...this.#wishes.values()].filter(({ key }) => isAll || !this.#ways.has(key));
    const remote = wishes.filter(({ rip }) => !isSelf(rip));
    const routes = remote.length === 0 ? [] : await this.#network.routes(remote.map(({ rip }) => rip));
    const found = new Map<string, Way>(wishes.map(({ key }) => [key, { kind: 'here' }]));
    remote.forEach((wish, i) => {
      this.#needs.delete(wish.key);
      found.set(wish.key, this.#wayOf(wish, routes[i]));
    });
    for (const key of this.#needs.keys()) {
      if (!this.#wishes.has(key)) {
        this.#needs.delete(key);
      }
    }
    await this.#setNeighbours(found);
    for (const key of this.#ways.keys()) {
      if (!this.#wishes.has(key)) {
        this.#ways.delete(key);
      }
    }
    for (const [key, way] of found) {
      const before = this.#ways.get(key);
      // It may be wanted no more, since the search began.
      if (this.#wishes.has(key) && (before === undefined || !isSame(before, way))) {
        this.#ways.set(key, way);
      }
    }
  }

  /** Removes the neighbour entries that are Beeline's. */
  async close(): Promise<void> {
    this.#wishes = new Map();
    this.#ways.clear();
    this.#needs.clear();
    await this.#setNeighbours(new Map());
  }

  #wayOf(wish: Wish, route: Route | NetlinkError | undefined): Way {
    if (route instanceof NetlinkError) {
      return none(route.message);
    }
    if (route?.kind === 'local') {
      return { kind: 'here' };
    }
    if (route?.kind !== 'unicast') {
      return none('there is no route to it');
    }
    if (wish.toVip && route.gateway !== undefined) {
      return none(`there is no route to it but by the router ${route.gateway}`);
    }
    if (wish.vlan !== undefined && !this.#isOn(route.ifindex, wish.vlan)) {
      return none('no VLAN device of this host has a route to it');
    }
    if (wish.device !== undefined && !this.#isBy(route.ifindex, wish.device)) {
      const name = this.#network.linkByIndex(route.ifindex)?.name ?? `interface ${route.ifindex}`;
      return none(`the route to it leaves by ${name}, and its packets by ${wish.device}`);
    }
    const local = this.#sourceFor(wish.rip, route);
    if (local === undefined) {
      return none('this host has no address of its own from which to check it');
    }
    if (wish.mac !== undefined) {
      const refusal = this.#noteNeighbour(wish.key, wish.rip, wish.mac, route.ifindex);
      if (refusal !== undefined) {
        return none(refusal);
      }
    }
    const scope = isLinkLocal(wish.rip) ? { scope: route.ifindex } : {};
    return { kind: 'network', local, ifindex: route.ifindex, ...scope };
  }

  /** Whether what leaves by a device leaves by an interface: it is that, or above it as a VLAN, a macvlan, a bond or a bridge. */
  #isBy(ifindex: number, name: string): boolean {
    const seen = new Set<number>();
    for (let at: number | undefined = ifindex; at !== undefined && !seen.has(at);) {
      seen.add(at);
      const link: ReturnType<WayNetwork['linkByIndex']> = this.#network.linkByIndex(at);
      if (link?.name === name || this.#network.link(name)?.master === at) {
        return true;
      }
      at = link?.lower ?? link?.vlan?.parent;
    }
    return false;
  }

  #isOn(ifindex: number, { id, outer }: Vlan): boolean {
    const device = this.#network.linkByIndex(ifindex)?.vlan;
    if (id === 0 || outer === undefined) {
      return device?.id === (id === 0 ? outer : id) && device?.service === (id === 0);
    }
    const below = device && this.#network.linkByIndex(device.parent)?.vlan;
    return device?.id === id && below?.id === outer;
  }

  /** The kernel's choice, unless that is a VIP: by the rules of IPv6, the address of a host may be nearer than that of a network. */
  #sourceFor(rip: IpAddress, { ifindex, source }: Route): IpAddress | undefined {
    if (source !== undefined && !this.#vips.has(source)) {
      return source;
    }
    const near = (address: IpAddress): number => (isLinkLocal(address) ? -1 : commonBits(address, rip));
    return this.#network
      .sourcesOn(ifindex)
      .filter((each) => familyOf(each) === familyOf(rip) && !this.#vips.has(each))
      .sort((a, b) => (isLinkLocal(rip) ? near(a) - near(b) : near(b) - near(a)))[0];
  }

  /** Returns why packets do not go to this MAC. */
  #noteNeighbour(key: string, rip: IpAddress, mac: MacAddress, ifindex: number): string | undefined {
    const known = this.#network.neighbour(ifindex, rip);
    if (known?.ours !== true && known?.mac !== undefined) {
      return known.mac === mac
        ? undefined
        : `the kernel's neighbour entry for it has another MAC address, ${known.mac}`;
    }
    this.#needs.set(key, { ifindex, address: rip, mac });
    return undefined;
  }

  /** Makes the entries that are needed, and removes those of Beeline's that are not. */
  async #setNeighbours(found: Map<string, Way>): Promise<void> {
    const needed = new Map([...this.#needs.values()].map((made) => [`${made.ifindex} ${made.address}`, made]));
    this.#made ??= new Map(this.#network.ownNeighbours().map((made) => [`${made.ifindex} ${made.address}`, made]));
    for (const [key, made] of this.#made) {
      if (!needed.has(key)) {
        this.#made.delete(key);
        // It may have gone with its interface, or by somebody's hand.
        await this.#network.setNeighbour(made.ifindex, made.address, undefined).catch(() => undefined);
      }
    }
    for (const [key, made] of needed) {
      const { ifindex, address, mac } = made;
      try {
        if (this.#network.neighbour(ifindex, address)?.mac !== mac) {
          await this.#network.setNeighbour(ifindex, address, mac);
        }
        this.#made.set(key, made);
      } catch (error) {
        const way = none(error instanceof Error ? error.message : String(error));
        for (const wish of this.#wishes.values()) {
          if (wish.rip === address && wish.mac === mac) {
            found.set(wish.key, way);
          }
        }
      }
    }
  }
}

function none(reason: string): Way {
  return { kind: 'none', reason };
}

function commonBits(a: IpAddress, b: IpAddress): number {
  const [left, right] = [ipBytes(a), ipBytes(b)];
  const at = left.findIndex((byte, i) => byte !== right[i]);
  return at < 0 ? left.length * 8 : at * 8 + Math.clz32(left[at]! ^ right[at]!) - 24;
}

function isSame(a: Way, b: Way): boolean {
  return a.kind === 'network' && b.kind === 'network'
    ? a.local === b.local && a.ifindex === b.ifindex && a.scope === b.scope
    : a.kind === 'none' && b.kind === 'none' && a.reason === b.reason;
}
