/** Finds out where real servers are, neighbours, this host or nowhere, and reports changes. */

import type { Interface, IpAddress, MacAddress, Resolution, Vlan } from '../model/index.js';
import type { Network } from './network.js';

/** The interval at which unreachable addresses are located again. The kernel probes neighbours by itself. */
const RETRY_MS = 5_000;
/**
 * The time for which a real server keeps its last MAC after the kernel forgot it: longer than the kernel asks before it
 * reports a failure (three times, a second apart). "ip neigh flush" and a cable that is pulled for a moment make the kernel
 * forget, and the clients of a real server without a MAC would be reset meanwhile.
 */
const GRACE_MS = 5_000;

/** The place of an address by the routes. The kernel sends no events about it, so it has to be asked. */
type Place =
  /** A neighbour on the link `ifindex`. Packets leave by `egress` with a tag: the two differ for VLAN devices and bonds. */
  | { readonly kind: 'neighbour'; readonly ifindex: number; readonly egress: number; readonly vlan?: Vlan }
  | { readonly kind: 'local' }
  /** `transient`: often over in a moment, for example when an interface goes down and up. */
  | { readonly kind: 'nowhere'; readonly reason: string; readonly transient?: true };

/** A neighbour's last MAC, and the interface that leads to it. */
interface Sighting {
  readonly mac: MacAddress;
  readonly ifindex: number;
  readonly egress: number;
  readonly vlan: Vlan | undefined;
  /** When it was noticed that the kernel had forgotten the neighbour, by performance.now(). */
  lostAt: number | undefined;
}

/**
 * Keeps a set of addresses resolved. The kernel resolves them by managed neighbour entries. Permanent entries, which are
 * set by hand, are used as they are.
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

  /** @param onChange called when an address may be elsewhere */
  constructor(network: Network, onChange: () => void) {
    this.#network = network;
    this.#onChange = onChange;
    this.#retry = setInterval(() => {
      void this.#retryNowhere();
    }, RETRY_MS);
    this.#retry.unref();
  }

  /**
   * Sets the addresses to resolve and the interfaces that packets may leave by. Resolves new addresses at once, and all
   * addresses when the interfaces changed.
   */
  async track(addresses: Iterable<IpAddress>, interfaces: readonly Interface[]): Promise<void> {
    const moved = !sameIndices(this.#interfaces, interfaces);
    this.#interfaces = interfaces;
    const wanted = new Set(addresses);
    const gone = [...this.#places.keys()].filter((address) => !wanted.has(address));
    await this.#release(gone);
    await this.#locate(
      [...wanted].filter((address) => moved || !this.#places.has(address) || this.#isForgotten(address)),
    );
  }

  /** Returns whether the kernel has lost its managed entry, as by "ip neigh flush". */
  #isForgotten(address: IpAddress): boolean {
    const place = this.#places.get(address);
    if (place?.kind !== 'neighbour') {
      return false;
    }
    const neighbour = this.#network.neighbour(place.ifindex, address);
    return neighbour === undefined || !(neighbour.managed || neighbour.permanent);
  }

  /** Asks for all routes again. To call after links or addresses of this host changed. */
  async relocate(): Promise<void> {
    await this.#locate([...this.#places.keys()]);
  }

  /** Returns where each address is now. */
  resolutions(): Map<IpAddress, Resolution> {
    const now = performance.now();
    const resolutions = new Map(
      [...this.#places].map(([address, place]) => [address, this.#resolution(address, place, now)]),
    );
    this.#awaitGraceEnd(now);
    return resolutions;
  }

  /** The addresses that the kernel is resolving, for the first time or again. */
  get pending(): IpAddress[] {
    return [...this.#places].flatMap(([address, place]) => {
      const neighbour = place.kind === 'neighbour' ? this.#network.neighbour(place.ifindex, address) : undefined;
      return place.kind === 'neighbour' && neighbour?.mac === undefined && neighbour?.failed !== true ? address : [];
    });
  }

  /** Releases all managed entries. */
  async release(): Promise<void> {
    await this.#release([...this.#places.keys()]);
  }

  /** Stops. The kernel keeps the managed entries, so that the next daemon finds them resolved. */
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
    const seen = this.#sightingOf(address, place, now);
    if (seen !== undefined) {
      const { mac, egress, vlan } = seen;
      return { state: 'resolved', mac, ifindex: egress, ...(vlan && { vlan }) };
    }
    const reason = place.kind === 'nowhere' ? place.reason : 'does not answer ARP or neighbour discovery';
    return { state: 'unresolved', reason };
  }

  /** Returns where the kernel sees a neighbour, or saw it within the grace period unless there is a sign that it left. */
  #sightingOf(address: IpAddress, place: Exclude<Place, { kind: 'local' }>, now: number): Sighting | undefined {
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
    const transient =
      place.kind === 'neighbour'
        ? place.ifindex === last.ifindex && neighbour?.failed !== true
        : place.transient === true;
    const hasInterface = this.#interfaces.some(({ ifindex }) => ifindex === last.egress);
    if (transient && hasInterface && now - last.lostAt < GRACE_MS) {
      return last;
    }
    this.#sightings.delete(address);
    return undefined;
  }

  /** Sets a timer for the end of the next grace period, which no event reports. */
  #awaitGraceEnd(now: number): void {
    clearTimeout(this.#graceEnd);
    const lost = [...this.#sightings.values()].flatMap(({ lostAt }) => lostAt ?? []);
    if (lost.length > 0) {
      this.#graceEnd = setTimeout(this.#onChange, Math.min(...lost) + GRACE_MS - now).unref();
    }
  }

  /** Locates addresses, one call after another: overlapping calls could manage an entry that the other releases. */
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
      return { kind: 'nowhere', reason: 'there is no route to it', transient: true };
    }
    if (route.gateway !== undefined) {
      return {
        kind: 'nowhere',
        reason: `is behind the router ${route.gateway}; direct routing needs it on a network that the director is in`,
      };
    }
    const egress = this.#egressOf(route.ifindex);
    if (egress === undefined) {
      const name = this.#network.linkByIndex(route.ifindex)?.name ?? `interface ${route.ifindex}`;
      return { kind: 'nowhere', reason: `is reached through ${name}, which is not an interface of the director's` };
    }
    if (this.#network.neighbour(route.ifindex, address)?.permanent !== true) {
      await this.#network.manageNeighbour(route.ifindex, address, true);
    }
    return { kind: 'neighbour', ifindex: route.ifindex, ...egress };
  }

  /**
   * Returns the director's interface by which packets leave a device, and their tag: the device itself, a member of a
   * bond, or the interface under one or two VLAN devices. Undefined if there is none.
   */
  #egressOf(device: number): { egress: number; vlan?: Vlan } | undefined {
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

  async #release(addresses: readonly IpAddress[]): Promise<void> {
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
      // The interface may be disappearing, and the entry with it.
      await this.#network.manageNeighbour(ifindex, address, false).catch(nowhere);
    }
  }

  async #retryNowhere(): Promise<void> {
    const nowhere = [...this.#places].filter(([, { kind }]) => kind === 'nowhere').map(([address]) => address);
    await this.#locate(nowhere);
  }
}

/**
 * Returns the model's form of VLAN tags.
 *
 * @param tags one or two, the outermost first
 */
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

/** Returns the place of an address after the kernel refused a request, for example since the interface is disappearing. */
function nowhere(error: unknown): Place {
  return { kind: 'nowhere', reason: error instanceof Error ? error.message : String(error), transient: true };
}
