/** Finds where real servers are: neighbours, this host, or nowhere, and says when that changes. */

import type { Interface, IpAddress, Resolution, Vlan } from '../model/index.js';
import type { Network } from './network.js';

/** How often addresses that have no place yet are looked for again; the kernel probes neighbours by itself. */
const RETRY_MS = 5_000;

/** Where an address lies, routes considered: what has to be asked, not what events tell. */
type Place =
  /** Asked for at `ifindex`, sent to by `egress` with a tag: they differ for VLAN devices and bonds. */
  | { readonly kind: 'neighbour'; readonly ifindex: number; readonly egress: number; readonly vlan?: Vlan }
  | { readonly kind: 'local' }
  | { readonly kind: 'nowhere'; readonly reason: string };

/**
 * Keeps a set of addresses resolved. The kernel does the work, by managed neighbour entries; entries that somebody set
 * by hand are used as they are.
 */
export class Resolver implements Disposable {
  readonly #network: Network;
  readonly #onChange: () => void;
  readonly #places = new Map<IpAddress, Place>();
  #interfaces: readonly Interface[] = [];
  readonly #retry: NodeJS.Timeout;
  #locating: Promise<void> = Promise.resolve();

  /** @param onChange called when an address may have got another place */
  constructor(network: Network, onChange: () => void) {
    this.#network = network;
    this.#onChange = onChange;
    this.#retry = setInterval(() => {
      void this.#retryNowhere();
    }, RETRY_MS);
    this.#retry.unref();
  }

  /** Sets what to resolve, and the interfaces that packets may leave by; new addresses are resolved at once. */
  async track(addresses: Iterable<IpAddress>, interfaces: readonly Interface[]): Promise<void> {
    this.#interfaces = interfaces;
    const wanted = new Set(addresses);
    const gone = [...this.#places.keys()].filter((address) => !wanted.has(address));
    await this.#letGo(gone);
    await this.#locate([...wanted].filter((address) => !this.#places.has(address) || this.#isForgotten(address)));
  }

  /** The kernel has no entry that it keeps resolved, "ip neigh flush" does that. */
  #isForgotten(address: IpAddress): boolean {
    const place = this.#places.get(address);
    if (place?.kind !== 'neighbour') {
      return false;
    }
    const neighbour = this.#network.neighbour(place.ifindex, address);
    return neighbour === undefined || !(neighbour.managed || neighbour.permanent);
  }

  /** Asks for all routes again: after links or addresses of this host changed. */
  async relocate(): Promise<void> {
    await this.#locate([...this.#places.keys()]);
  }

  /** Where each address is now. */
  resolutions(): Map<IpAddress, Resolution> {
    return new Map([...this.#places].map(([address, place]) => [address, this.#resolution(address, place)]));
  }

  /** Whether the kernel is still asking for a neighbour, or got no answer. */
  get pending(): boolean {
    return [...this.#places].some(
      ([address, place]) =>
        place.kind === 'neighbour' && this.#network.neighbour(place.ifindex, address)?.mac === undefined,
    );
  }

  /** Stops having the kernel keep the entries. */
  async release(): Promise<void> {
    await this.#letGo([...this.#places.keys()]);
  }

  /** Stops; the kernel goes on keeping the entries, so that the next daemon finds them resolved. */
  close(): void {
    clearInterval(this.#retry);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #resolution(address: IpAddress, place: Place): Resolution {
    switch (place.kind) {
      case 'local':
        return { state: 'local' };
      case 'nowhere':
        return { state: 'unresolved', reason: place.reason };
      case 'neighbour': {
        const mac = this.#network.neighbour(place.ifindex, address)?.mac;
        return mac === undefined
          ? { state: 'unresolved', reason: 'does not answer ARP or neighbour discovery' }
          : { state: 'resolved', mac, ifindex: place.egress, ...(place.vlan && { vlan: place.vlan }) };
      }
    }
  }

  /** One round at a time: two that overlap could manage an entry that the other lets go of. */
  #locate(addresses: readonly IpAddress[]): Promise<void> {
    this.#locating = this.#locating.then(async () => {
      let changed = false;
      for (const address of addresses) {
        const place = await this.#find(address).catch(nowhere);
        const before = this.#places.get(address);
        this.#places.set(address, place);
        changed ||= JSON.stringify(before) !== JSON.stringify(place);
      }
      if (changed) {
        this.#onChange();
      }
    });
    return this.#locating;
  }

  async #find(address: IpAddress): Promise<Place> {
    const route = await this.#network.route(address);
    if (route?.kind === 'local') {
      return { kind: 'local' };
    }
    if (route?.kind !== 'unicast') {
      return { kind: 'nowhere', reason: 'there is no route to it' };
    }
    if (route.gateway !== undefined) {
      return {
        kind: 'nowhere',
        reason: `is behind the router ${route.gateway}; direct routing needs it on a network of the director's own`,
      };
    }
    const way = this.#wayOut(route.ifindex);
    if (way === undefined) {
      const name = this.#network.linkByIndex(route.ifindex)?.name ?? `interface ${route.ifindex}`;
      return { kind: 'nowhere', reason: `is reached through ${name}, which is not an interface of the director's` };
    }
    if (this.#network.neighbour(route.ifindex, address)?.permanent !== true) {
      await this.#network.manageNeighbour(route.ifindex, address, true);
    }
    return { kind: 'neighbour', ifindex: route.ifindex, ...way };
  }

  /**
   * Which of the director's interfaces leads out of a device, and with which tag: the device itself, a member of the
   * bond that it is, or the interface under a VLAN device, or under two of them. Undefined when none does.
   */
  #wayOut(device: number): { egress: number; vlan?: Vlan } | undefined {
    const tags: { id: number; service: boolean }[] = [];
    let current = device;
    for (;;) {
      const vlan = this.#network.linkByIndex(current)?.vlan;
      if (this.#interfaces.some(({ ifindex }) => ifindex === current) || vlan === undefined || tags.length === 2) {
        break;
      }
      tags.unshift(vlan);
      current = vlan.parent;
    }
    const egress =
      this.#interfaces.find(({ ifindex }) => ifindex === current) ??
      this.#interfaces.find(({ group, up }) => group === current && up);
    return egress && { egress: egress.ifindex, ...(tags.length > 0 && { vlan: vlanOf(tags) }) };
  }

  async #letGo(addresses: readonly IpAddress[]): Promise<void> {
    for (const address of addresses) {
      const place = this.#places.get(address);
      this.#places.delete(address);
      if (place?.kind === 'neighbour' && this.#network.neighbour(place.ifindex, address)?.managed === true) {
        await this.#network.manageNeighbour(place.ifindex, address, false).catch(nowhere);
      }
    }
  }

  async #retryNowhere(): Promise<void> {
    const nowhere = [...this.#places].filter(([, { kind }]) => kind === 'nowhere').map(([address]) => address);
    await this.#locate(nowhere);
  }
}

/** One or two tags, the outermost first. */
function vlanOf(tags: readonly { id: number; service: boolean }[]): Vlan {
  const inner = tags.at(-1)!;
  if (tags.length === 1) {
    return inner.service ? { id: 0, outer: inner.id } : { id: inner.id };
  }
  return { id: inner.id, outer: tags[0]!.id };
}

/** The kernel would not say or not resolve, because the interface is going for example: asked again at the next round. */
function nowhere(error: unknown): Place {
  return { kind: 'nowhere', reason: error instanceof Error ? error.message : String(error) };
}
