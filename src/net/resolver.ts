/** Finds where real servers are: neighbours, this host, or nowhere, and says when that changes. */

import type { Interface, IpAddress, MacAddress, Resolution, Vlan } from '../model/index.js';
import type { Network } from './network.js';

/** How often addresses that have no place yet are looked for again; the kernel probes neighbours by itself. */
const RETRY_MS = 5_000;
/**
 * How long a real server is taken to be where it was after the kernel forgot it: longer than the kernel asks before it
 * says that nobody answers (three times, a second apart). "ip neigh flush" and a cable that is out for a moment make it
 * forget, and what would be said of a real server without a MAC meanwhile is a reset to each of its clients.
 */
const GRACE_MS = 5_000;

/** Where an address lies, routes considered: what has to be asked, not what events tell. */
type Place =
  /** Asked for at `ifindex`, sent to by `egress` with a tag: they differ for VLAN devices and bonds. */
  | { readonly kind: 'neighbour'; readonly ifindex: number; readonly egress: number; readonly vlan?: Vlan }
  | { readonly kind: 'local' }
  /** `passing`: often over in a moment, when an interface goes down and up for example. */
  | { readonly kind: 'nowhere'; readonly reason: string; readonly passing?: true };

/** Where the kernel last saw a neighbour. */
interface Sighting {
  readonly mac: MacAddress;
  readonly ifindex: number;
  readonly egress: number;
  readonly vlan: Vlan | undefined;
  /** When it was found that the kernel does not see it any more, as performance.now() has it. */
  lostAt: number | undefined;
}

/**
 * Keeps a set of addresses resolved. The kernel does the work, by managed neighbour entries; entries that somebody set
 * by hand are used as they are.
 */
export class Resolver implements Disposable {
  readonly #network: Network;
  readonly #onChange: () => void;
  readonly #places = new Map<IpAddress, Place>();
  readonly #sightings = new Map<IpAddress, Sighting>();
  #graceEnd: NodeJS.Timeout | undefined;
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

  /**
   * Sets what to resolve, and the interfaces that packets may leave by. New addresses are resolved at once, and all of
   * them when the interfaces are others than before.
   */
  async track(addresses: Iterable<IpAddress>, interfaces: readonly Interface[]): Promise<void> {
    const moved = !sameIndices(this.#interfaces, interfaces);
    this.#interfaces = interfaces;
    const wanted = new Set(addresses);
    const gone = [...this.#places.keys()].filter((address) => !wanted.has(address));
    await this.#letGo(gone);
    await this.#locate(
      [...wanted].filter((address) => moved || !this.#places.has(address) || this.#isForgotten(address)),
    );
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
    const now = performance.now();
    const resolutions = new Map(
      [...this.#places].map(([address, place]) => [address, this.#resolution(address, place, now)]),
    );
    this.#awaitGraceEnd(now);
    return resolutions;
  }

  /** The addresses that the kernel is still asking for, for the first time or again. */
  get pending(): IpAddress[] {
    return [...this.#places].flatMap(([address, place]) => {
      const neighbour = place.kind === 'neighbour' ? this.#network.neighbour(place.ifindex, address) : undefined;
      return place.kind === 'neighbour' && neighbour?.mac === undefined && neighbour?.failed !== true ? address : [];
    });
  }

  /** Stops having the kernel keep the entries. */
  async release(): Promise<void> {
    await this.#letGo([...this.#places.keys()]);
  }

  /** Stops; the kernel goes on keeping the entries, so that the next daemon finds them resolved. */
  close(): void {
    clearInterval(this.#retry);
    clearTimeout(this.#graceEnd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #resolution(address: IpAddress, place: Place, now: number): Resolution {
    if (place.kind === 'local') {
      this.#sightings.delete(address);
      return { state: 'local' };
    }
    const seen = this.#see(address, place, now);
    if (seen !== undefined) {
      const { mac, egress, vlan } = seen;
      return { state: 'resolved', mac, ifindex: egress, ...(vlan && { vlan }) };
    }
    const reason = place.kind === 'nowhere' ? place.reason : 'does not answer ARP or neighbour discovery';
    return { state: 'unresolved', reason };
  }

  /** Where the kernel sees a neighbour, or saw it a moment ago while nothing says that it is not there any more. */
  #see(address: IpAddress, place: Exclude<Place, { kind: 'local' }>, now: number): Sighting | undefined {
    const neighbour = place.kind === 'neighbour' ? this.#network.neighbour(place.ifindex, address) : undefined;
    if (place.kind === 'neighbour' && neighbour?.mac !== undefined) {
      const { ifindex, egress, vlan } = place;
      const sighting = { mac: neighbour.mac, ifindex, egress, vlan, lostAt: undefined };
      this.#sightings.set(address, sighting);
      return sighting;
    }
    const last = this.#sightings.get(address);
    if (last === undefined) {
      return undefined;
    }
    last.lostAt ??= now;
    const passing =
      place.kind === 'neighbour'
        ? place.ifindex === last.ifindex && neighbour?.failed !== true
        : place.passing === true;
    const hasInterface = this.#interfaces.some(({ ifindex }) => ifindex === last.egress);
    if (passing && hasInterface && now - last.lostAt < GRACE_MS) {
      return last;
    }
    this.#sightings.delete(address);
    return undefined;
  }

  /** Nobody tells that a grace is over. */
  #awaitGraceEnd(now: number): void {
    clearTimeout(this.#graceEnd);
    const lost = [...this.#sightings.values()].flatMap(({ lostAt }) => lostAt ?? []);
    if (lost.length > 0) {
      this.#graceEnd = setTimeout(this.#onChange, Math.min(...lost) + GRACE_MS - now).unref();
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
        if (before?.kind === 'neighbour' && !(place.kind === 'neighbour' && place.ifindex === before.ifindex)) {
          await this.#unmanage(address, before.ifindex);
        }
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
      return { kind: 'nowhere', reason: 'there is no route to it', passing: true };
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
      this.#sightings.delete(address);
      if (place?.kind === 'neighbour') {
        await this.#unmanage(address, place.ifindex);
      }
    }
  }

  async #unmanage(address: IpAddress, ifindex: number): Promise<void> {
    if (this.#network.neighbour(ifindex, address)?.managed === true) {
      // The interface, and the entry with it, may be going.
      await this.#network.manageNeighbour(ifindex, address, false).catch(nowhere);
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

function sameIndices(a: readonly Interface[], b: readonly Interface[]): boolean {
  return a.length === b.length && a.every(({ ifindex }) => b.some((each) => each.ifindex === ifindex));
}

/** The kernel would not say or not resolve, because the interface is going for example: asked again at the next round. */
function nowhere(error: unknown): Place {
  return { kind: 'nowhere', reason: error instanceof Error ? error.message : String(error), passing: true };
}
