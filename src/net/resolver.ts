/** Finds out where real servers are, neighbours, this host or nowhere, and reports changes. */

import type { Interface, IpAddress, MacAddress, Resolution, Vlan, VlanTag } from '../model/index.js';
import type { Network } from './network.js';
import type { Neighbour, Route } from './rtnetlink.js';
import { NetlinkError } from './socket.js';
import { waysOut } from './stack.js';

/** The interval at which unreachable addresses are located again. The kernel probes neighbours by itself. */
const RETRY_MS = 5_000;
/** The most of them at a time. Thousands would cost a good part of a core for nothing, and have their turn later. */
const MOST_RETRIED = 256;
/** How many resolutions are looked at again in that interval although no event came. */
const MOST_CHECKED = 1_024;
/** How long changes of neighbours are collected. */
const NOTICE_MS = 10;
/** How many addresses are located before others may be asked for. */
const LOCATED_AT_ONCE = 512;
/** The kernel's answer when its table of neighbours is full (ENOBUFS in errno.h). */
const TABLE_FULL = 105;
/**
 * The time for which a real server keeps its last MAC after the kernel forgot it: longer than the kernel asks before it
 * reports a failure (three times, a second apart). "ip neigh flush" and a cable that is pulled for a moment make the kernel
 * forget, and the clients of a real server without a MAC would be reset meanwhile.
 */
const GRACE_MS = 5_000;
/**
 * So many real servers that fail within a second are asked once more before they count as gone. The kernel asks neighbours
 * that it resolved together together again, and some of the answers to thousands of questions within a tick are lost: a
 * CPU's queue of received packets, for one, holds 1,000 (net.core.netdev_max_backlog).
 */
const MANY_FAILURES = 256;
const FAILURES_MS = 1_000;

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
  /** It failed together with many others, and is asked once more. */
  isDoubted: boolean;
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
  readonly #resolutions = new Map<IpAddress, Resolution>();
  /** The addresses whose resolution may not be what it was. */
  readonly #stale = new Set<IpAddress>();
  /** Those with a sighting that the kernel has forgotten, for the time of grace. */
  readonly #lost = new Set<IpAddress>();
  /** Neighbours with a sighting whose managed entry the kernel has lost, as by "ip neigh flush". */
  readonly #forgotten = new Set<IpAddress>();
  /** The same without a sighting: from some hundred neighbours on the kernel removes the entries of those that do not answer. */
  readonly #silent = new Set<IpAddress>();
  /** The failures of neighbours that had answered since a moment, which is FAILURES_MS ago at most. */
  #failures = { since: 0, count: 0 };
  /** The addresses that are nowhere; the one that was located last comes last. */
  readonly #nowhere = new Set<IpAddress>();
  /** The addresses of the last call of `track`. */
  #tracked: ReadonlySet<IpAddress> = new Set();
  /** A resolution has changed since `onChange` or `resolutions` was called. */
  #changed = false;
  #version = 0;
  /** The addresses that are yet to be looked at in this turn, although no event came. */
  #turn: MapIterator<IpAddress> | undefined;
  #look: NodeJS.Timeout | undefined;
  #graceEnd: NodeJS.Timeout | undefined;
  #interfaces: readonly Interface[] = [];
  readonly #retry: NodeJS.Timeout;
  #locating: Promise<void> = Promise.resolve();

  /** @param onChange called when an address may be elsewhere */
  constructor(network: Network, onChange: () => void) {
    this.#network = network;
    this.#onChange = onChange;
    this.#retry = setInterval(() => {
      void this.#retrySome();
    }, RETRY_MS);
    this.#retry.unref();
  }

  /**
   * Sets the addresses to resolve and the interfaces that packets may leave by. Resolves new addresses at once, and all
   * addresses when the interfaces changed.
   *
   * @param addresses the same set as before costs nothing
   */
  async track(addresses: ReadonlySet<IpAddress>, interfaces: readonly Interface[]): Promise<void> {
    const moved = !sameIndices(this.#interfaces, interfaces);
    this.#interfaces = interfaces;
    if (moved) {
      this.#distrustAll();
    }
    if (this.#tracked !== addresses) {
      this.#tracked = addresses;
      await this.#inTurn(() => this.#release([...this.#places.keys()].filter((address) => !addresses.has(address))));
    } else if (!moved && this.#forgotten.size === 0) {
      return;
    }
    await this.#locate(
      [...addresses].filter((address) => moved || !this.#places.has(address) || this.#forgotten.has(address)),
    );
  }

  /**
   * To call when a neighbour changed. Most changes are of no concern, or end soon: the kernel asks for ever for those that
   * do not answer, and reports one that it deletes as failed first.
   *
   * @param address undefined: any of them may have changed
   */
  notice(address: IpAddress | undefined): void {
    if (address === undefined) {
      this.#distrustAll();
      [...this.#places.keys()].forEach((each) => {
        this.#noteIfForgotten(each);
      });
    } else if (this.#places.has(address)) {
      this.#stale.add(address);
      this.#noteIfForgotten(address);
    } else {
      return;
    }
    this.#lookSoon();
  }

  /** Looks once at all that is noticed within a moment. */
  #lookSoon(): void {
    this.#look ??= setTimeout(() => {
      this.#look = undefined;
      this.#bringUpToDate();
      if (this.#changed || this.#forgotten.size > 0) {
        this.#changed = false;
        this.#onChange();
      }
    }, NOTICE_MS).unref();
  }

  #noteIfForgotten(address: IpAddress): void {
    const place = this.#places.get(address);
    const neighbour = this.#neighbourOf(address);
    this.#forgotten.delete(address);
    this.#silent.delete(address);
    if (place?.kind === 'neighbour' && !(neighbour?.managed === true || neighbour?.permanent === true)) {
      // One that answered is resolved again at once. Those that did not have time.
      (this.#sightings.has(address) ? this.#forgotten : this.#silent).add(address);
    }
  }

  /** Asks for all routes again. To call after links or addresses of this host changed. */
  async relocate(): Promise<void> {
    await this.#locate([...this.#places.keys()]);
  }

  /** Returns where each address is now. The map follows later changes, of which `onChange` tells. */
  resolutions(): ReadonlyMap<IpAddress, Resolution> {
    this.#bringUpToDate();
    this.#changed = false;
    return this.#resolutions;
  }

  /** Grows with each change of a resolution. */
  get version(): number {
    return this.#version;
  }

  /** The resolutions as they were last returned, or a little later. */
  get latest(): ReadonlyMap<IpAddress, Resolution> {
    return this.#resolutions;
  }

  #bringUpToDate(): void {
    const now = performance.now();
    this.#doubtMany(now);
    this.#stale.forEach((address) => {
      this.#resolve(address, now);
    });
    this.#awaitGraceEnd(now);
  }

  /** Has real servers that failed asked once more if they are many, and keeps their MACs until then. */
  #doubtMany(now: number): void {
    const failed = [...this.#stale].filter(
      (address) => this.#sightings.get(address)?.isDoubted === false && this.#neighbourOf(address)?.failed === true,
    );
    if (now - this.#failures.since > FAILURES_MS) {
      this.#failures = { since: now, count: 0 };
    }
    this.#failures.count += failed.length;
    if (this.#failures.count >= MANY_FAILURES) {
      failed.forEach((address) => {
        this.#sightings.get(address)!.isDoubted = true;
        this.#forgotten.add(address);
      });
    }
  }

  /** Returns the kernel's entry of an address that is a neighbour. */
  #neighbourOf(address: IpAddress): Neighbour | undefined {
    const place = this.#places.get(address);
    return place?.kind === 'neighbour' ? this.#network.neighbour(place.ifindex, address) : undefined;
  }

  /** Whether the kernel is resolving an address, for the first time or again. */
  isPending(address: IpAddress): boolean {
    const neighbour = this.#neighbourOf(address);
    return (
      this.#places.get(address)?.kind === 'neighbour' && neighbour?.mac === undefined && neighbour?.failed !== true
    );
  }

  /** Releases all managed entries. */
  async release(): Promise<void> {
    this.#tracked = new Set();
    await this.#inTurn(() => this.#release([...this.#places.keys()]));
  }

  /** Stops. The kernel keeps the managed entries, so that the next daemon finds them resolved. */
  close(): void {
    clearInterval(this.#retry);
    clearTimeout(this.#graceEnd);
    clearTimeout(this.#look);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** All resolutions may be others, since an interface is. */
  #distrustAll(): void {
    this.#places.forEach((_, address) => this.#stale.add(address));
  }

  /** Brings the resolution of an address up to date. */
  #resolve(address: IpAddress, now: number): void {
    this.#stale.delete(address);
    const place = this.#places.get(address);
    if (place === undefined) {
      this.#resolutions.delete(address);
      this.#version += 1;
      return;
    }
    const resolution = this.#resolution(address, place, now);
    const before = this.#resolutions.get(address);
    if (before === undefined || !isSame(before, resolution)) {
      this.#resolutions.set(address, resolution);
      this.#changed = true;
      this.#version += 1;
    }
  }

  #resolution(address: IpAddress, place: Place, now: number): Resolution {
    if (place.kind === 'local') {
      this.#forgetSighting(address);
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
    const neighbour = this.#neighbourOf(address);
    if (place.kind === 'neighbour' && neighbour?.mac !== undefined) {
      const { ifindex, egress, vlan } = place;
      const sighting = { mac: neighbour.mac, ifindex, egress, vlan, lostAt: undefined, isDoubted: false };
      this.#lost.delete(address);
      this.#sightings.set(address, sighting);
      if (this.#silent.delete(address)) {
        this.#forgotten.add(address);
      }
      return sighting;
    }
    const last = this.#sightings.get(address);
    if (last === undefined) {
      return undefined;
    }
    last.lostAt ??= now;
    this.#lost.add(address);
    const transient =
      place.kind === 'neighbour'
        ? place.ifindex === last.ifindex && (neighbour?.failed !== true || last.isDoubted)
        : place.transient === true;
    const hasInterface = this.#interfaces.some(({ ifindex }) => ifindex === last.egress);
    if (transient && hasInterface && now - last.lostAt < GRACE_MS) {
      return last;
    }
    this.#forgetSighting(address);
    return undefined;
  }

  #forgetSighting(address: IpAddress): void {
    this.#sightings.delete(address);
    this.#lost.delete(address);
    if (this.#forgotten.delete(address)) {
      this.#silent.add(address);
    }
  }

  /** Sets a timer for the end of the next grace period, which no event reports. */
  #awaitGraceEnd(now: number): void {
    clearTimeout(this.#graceEnd);
    const lost = [...this.#lost].flatMap((address) => this.#sightings.get(address)?.lostAt ?? []);
    if (lost.length > 0) {
      this.#graceEnd = setTimeout(
        () => {
          this.#lost.forEach((address) => this.#stale.add(address));
          this.#onChange();
        },
        Math.min(...lost) + GRACE_MS - now,
      ).unref();
    }
  }

  /** Locates and releases one after another: overlapping calls could manage an entry that the other releases. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#locating.then(work);
    // What one of them could not do does not keep the next from trying.
    this.#locating = done.catch(() => undefined);
    return done;
  }

  #locate(addresses: readonly IpAddress[]): Promise<void> {
    return this.#inTurn(async () => {
      // Some may have been released since.
      const wanted = addresses.filter((address) => this.#tracked.has(address));
      let changed = false;
      for (let at = 0; at < wanted.length; at += LOCATED_AT_ONCE) {
        changed = (await this.#locateSome(wanted.slice(at, at + LOCATED_AT_ONCE))) || changed;
      }
      if (changed) {
        this.#onChange();
      }
    });
  }

  /** Returns whether one of them is elsewhere. */
  async #locateSome(addresses: readonly IpAddress[]): Promise<boolean> {
    const places = await this.#find(addresses);
    const left: { readonly ifindex: number; readonly address: IpAddress }[] = [];
    let changed = false;
    for (const [address, place] of places) {
      const before = this.#places.get(address);
      this.#places.set(address, place);
      this.#stale.add(address);
      this.#forgotten.delete(address);
      this.#silent.delete(address);
      this.#nowhere.delete(address);
      if (place.kind === 'nowhere') {
        this.#nowhere.add(address);
      }
      if (before?.kind === 'neighbour' && !(place.kind === 'neighbour' && place.ifindex === before.ifindex)) {
        left.push({ address, ifindex: before.ifindex });
      }
      changed ||= before === undefined || !isSamePlace(before, place);
    }
    await this.#unmanage(left);
    return changed;
  }

  /** Finds out where addresses are, and has those resolved that are neighbours. */
  async #find(addresses: readonly IpAddress[]): Promise<Map<IpAddress, Place>> {
    const places = new Map<IpAddress, Place>();
    try {
      const routes = await this.#network.routes(addresses);
      addresses.forEach((address, i) => {
        const route = routes[i];
        places.set(address, route instanceof Error ? nowhere(route) : this.#placeBy(route));
      });
      const neighbours = [...places].flatMap(([address, place]) =>
        place.kind === 'neighbour' && this.#network.neighbour(place.ifindex, address)?.permanent !== true
          ? [{ address, ifindex: place.ifindex }]
          : [],
      );
      const refusals = await this.#network.manageNeighbours(neighbours, true);
      refusals.forEach((refusal, i) => {
        if (refusal !== undefined) {
          places.set(neighbours[i]!.address, nowhere(refusal));
        }
      });
    } catch (error) {
      addresses.forEach((address) => places.set(address, nowhere(error)));
    }
    return places;
  }

  #placeBy(route: Route | undefined): Place {
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
    return { kind: 'neighbour', ifindex: route.ifindex, ...egress };
  }

  /**
   * Returns the director's interface by which packets leave a device, and their tag: the device itself, a member of a
   * bond, or the interface under one or two VLAN devices. Undefined if there is none.
   */
  #egressOf(device: number): { egress: number; vlan?: Vlan } | undefined {
    const ways = waysOut(device, (ifindex) => this.#network.linkByIndex(ifindex));
    const { ifindex: left, tags } =
      ways.find((way) => this.#interfaces.some(({ ifindex }) => ifindex === way.ifindex)) ?? ways.at(-1)!;
    const egress =
      this.#interfaces.find(({ ifindex }) => ifindex === left) ??
      this.#interfaces.find(({ group, up }) => group === left && up);
    return egress && { egress: egress.ifindex, ...(tags.length > 0 && { vlan: vlanOf(tags) }) };
  }

  async #release(addresses: readonly IpAddress[]): Promise<void> {
    const left: { readonly ifindex: number; readonly address: IpAddress }[] = [];
    for (const address of addresses) {
      const place = this.#places.get(address);
      this.#places.delete(address);
      this.#forgetSighting(address);
      for (const set of [this.#stale, this.#forgotten, this.#silent, this.#nowhere]) {
        set.delete(address);
      }
      this.#resolutions.delete(address);
      this.#version += 1;
      if (place?.kind === 'neighbour') {
        left.push({ address, ifindex: place.ifindex });
      }
    }
    await this.#unmanage(left);
  }

  async #unmanage(neighbours: readonly { readonly ifindex: number; readonly address: IpAddress }[]): Promise<void> {
    const managed = neighbours.filter(({ ifindex, address }) => this.#network.neighbour(ifindex, address)?.managed);
    // An interface may be disappearing, and the entries with it.
    await this.#network.manageNeighbours(managed, false).catch(() => undefined);
  }

  /**
   * Locates some of the addresses that are nowhere, or that the kernel forgot before they answered: each in its turn. Looks
   * at some of the others again, so that a missed event has no effect for long.
   */
  async #retrySome(): Promise<void> {
    this.#distrustSome();
    this.#lookSoon();
    const some: IpAddress[] = [];
    for (const addresses of [this.#forgotten, this.#silent, this.#nowhere]) {
      for (const address of addresses) {
        if (some.length === MOST_RETRIED) {
          break;
        }
        some.push(address);
      }
    }
    await this.#locate(some);
  }

  #distrustSome(): void {
    this.#turn ??= this.#places.keys();
    for (let i = 0; i < MOST_CHECKED; i += 1) {
      const next = this.#turn.next();
      if (next.done === true) {
        this.#turn = undefined;
        return;
      }
      this.#stale.add(next.value);
    }
  }
}

/**
 * Returns the model's form of VLAN tags.
 *
 * @param tags one or two, the outermost first
 */
function vlanOf(tags: readonly VlanTag[]): Vlan {
  const inner = tags.at(-1)!;
  if (tags.length === 1) {
    return inner.service ? { id: 0, outer: inner.id } : { id: inner.id };
  }
  return { id: inner.id, outer: tags[0]!.id };
}

function sameIndices(a: readonly Interface[], b: readonly Interface[]): boolean {
  return a.length === b.length && a.every(({ ifindex }) => b.some((each) => each.ifindex === ifindex));
}

/** Most of thousands that are looked at are unresolved for the same reason as before. */
function isSame(a: Resolution, b: Resolution): boolean {
  return a.state === 'unresolved' && b.state === 'unresolved'
    ? a.reason === b.reason
    : JSON.stringify(a) === JSON.stringify(b);
}

function isSamePlace(a: Place, b: Place): boolean {
  if (a.kind === 'neighbour' && b.kind === 'neighbour') {
    return (
      a.ifindex === b.ifindex && a.egress === b.egress && a.vlan?.id === b.vlan?.id && a.vlan?.outer === b.vlan?.outer
    );
  }
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Returns the place of an address after the kernel refused a request, for example since the interface is disappearing. */
function nowhere(error: unknown): Place {
  if (error instanceof NetlinkError && error.errno === TABLE_FULL) {
    return {
      kind: 'nowhere',
      reason: "the kernel's table of neighbours is full: raise net.ipv4.neigh.default.gc_thresh3, or the one of ipv6",
      transient: true,
    };
  }
  return { kind: 'nowhere', reason: error instanceof Error ? error.message : String(error), transient: true };
}
