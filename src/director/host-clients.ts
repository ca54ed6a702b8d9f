/** The host's own connections to its VIPs: the veth by which they come to the director, and the programs that lead them there. */

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import type { HostClientsReport } from '../control/index.js';
import {
  HOST_NETWORKS,
  type HostFacts,
  type HostPlaces,
  HostPrograms,
  hasHostPrograms,
  isStandIn,
  removeHostPrograms,
} from '../dataplane/index.js';
import type { Image } from '../image/index.js';
import {
  BeelineError,
  type Family,
  familyOfService,
  HOST_LINKS,
  type Instance,
  type Interface,
  type IpAddress,
  macFromBytes,
  type Model,
  allServices,
} from '../model/index.js';
import { networkCookie } from '../native/index.js';
import { type Link, type Network, NetlinkError, switchOffloadOff } from '../net/index.js';
import { Lasting } from './lasting.js';
import type { Logger } from './log.js';

/** The longest packet of a veth: the director decides what is too long. */
const MOST_MTU = 65_535;
/** How long the kernel's events may take. */
const APPEAR_MS = 1_000;
const APPEAR_STEP_MS = 5;
/** The first byte of a MAC that is locally administered; no IP header begins with it. */
const LOCAL_MAC = 0x02;
/** Whether this host sends packets on from one interface to another. */
const FORWARDING = { 4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding' } as const;
/** EEXIST of netlink (errno.h). */
const EEXIST = 17;
/** The source of IPv4 answers of a host without an address: see answers.ts. */
const NO_ADDRESS = '192.0.0.8';

export interface HostClientsOptions {
  readonly network: Network;
  readonly instance: Pick<Instance, 'name' | 'pinDirectory'>;
  readonly log: Logger;
}

/** Nothing that fails here keeps the director from forwarding others' packets: it is a problem of the status. */
export class HostClients implements Disposable {
  readonly #options: HostClientsOptions;
  readonly #failure: Lasting;
  #programs: HostPrograms | undefined;
  #wanted = false;
  #bridges: readonly string[] = [];
  #facts: HostFacts | undefined;
  #written: { readonly image: Image; readonly facts: string } | undefined;

  constructor(options: HostClientsOptions) {
    this.#options = options;
    this.#failure = new Lasting(options.log, 'the host reaches its VIPs again');
  }

  /** What goes wrong, as text. */
  get problems(): readonly string[] {
    const { problem } = this.#failure;
    return problem === undefined ? this.#bridgeProblems() : [`this host cannot reach its VIPs: ${problem}`];
  }

  #bridgeProblems(): readonly string[] {
    const { network } = this.#options;
    if (!this.#wanted || this.#facts === undefined) {
      return [];
    }
    const there = this.#bridges.filter((name) => this.#isBridge(name));
    const families = ([4, 6] as const).filter((family) => this.#facts?.addresses[family] !== undefined);
    const still = there.length > 0 ? families.filter((family) => !isForwarding(family)) : [];
    return [
      ...this.#bridges
        .filter((name) => !there.includes(name))
        .map((name) => {
          const why = network.link(name) === undefined ? 'there is no such interface' : 'it is no bridge';
          return `containers of ${name} do not reach the VIPs: ${why}`;
        }),
      ...still.map(
        (family) =>
          `containers of ${there.join(', ')} do not reach the IPv${family} VIPs: this host does not forward packets ` +
          `(sysctl ${FORWARDING[family]})`,
      ),
    ];
  }

  /** On any other device, "lo" for one, the programs would meet packets that are no containers'. */
  #isBridge(name: string): boolean {
    return this.#options.network.link(name)?.kind === 'bridge';
  }

  /** What holds at this moment; undefined: the host's connections stay on the host. */
  get report(): HostClientsReport | undefined {
    if (!this.#wanted || this.#facts === undefined) {
      return undefined;
    }
    const { 4: ipv4, 6: ipv6 } = this.#facts.addresses;
    return {
      interface: HOST_LINKS.inner,
      mac: this.#facts.mac,
      addresses: [ipv4, ipv6].filter((each) => each !== undefined),
      ...(this.#bridges.length > 0 && { bridges: this.#bridges }),
    };
  }

  /** The interface by which the host's packets come; undefined while there is none. */
  get interface(): Interface | undefined {
    const { network } = this.#options;
    const inner = this.#wanted && this.#isOurs ? network.interface(HOST_LINKS.inner) : undefined;
    return inner?.up === true ? { ...inner, fromHost: true } : undefined;
  }

  get #outer(): Link | undefined {
    return this.#options.network.link(HOST_LINKS.outer);
  }

  get #isOurs(): boolean {
    return isOf(this.#outer, this.#options.instance.name);
  }

  /** Makes or removes what a model asks for, before its surroundings are looked at. */
  async prepare(model: Model): Promise<void> {
    this.#wanted = model.hostClients === true;
    this.#bridges = model.clientBridges ?? [];
    try {
      if (this.#wanted) {
        await this.#makeLinks(model);
      } else {
        await this.#end();
        this.#failure.succeed();
      }
    } catch (error) {
      this.#failure.fail(error, 'this host cannot reach its VIPs; trying again');
    }
  }

  /** Attaches the programs, and tells them what packets follow now. To call after the director is attached. */
  async follow(image: Image | undefined, interfaces: readonly Interface[]): Promise<void> {
    const inner = interfaces.find(({ fromHost }) => fromHost === true);
    const outer = this.#outer;
    if (!this.#wanted || inner === undefined || outer === undefined || image === undefined) {
      return;
    }
    try {
      const nics = interfaces.filter(({ fromHost }) => fromHost !== true);
      const facts = factsOf(image, nics, outer);
      const told = JSON.stringify({ ...facts, networkCookie: String(facts.networkCookie) });
      this.#programs ??= await HostPrograms.open(this.#options.instance.pinDirectory);
      if (this.#written?.image !== image || this.#written.facts !== told) {
        this.#programs.write(image, facts);
        this.#written = { image, facts: told };
      }
      this.#programs.attach({
        outer: outer.ifindex,
        inner: inner.ifindex,
        nics: nics.map(({ ifindex }) => ifindex),
        ...this.#bridgesBeside(nics),
      });
      if (this.#facts === undefined) {
        this.#options.log.info({ interface: inner.name, ...facts.addresses }, 'this host reaches its VIPs');
      }
      this.#facts = facts;
      this.#failure.succeed();
    } catch (error) {
      this.#failure.fail(error, 'this host cannot reach its VIPs; trying again');
    }
  }

  /** The bridges that there are, and what is plugged in there, but for the director's own interfaces. */
  #bridgesBeside(nics: readonly Interface[]): Pick<HostPlaces, 'bridges' | 'ports'> {
    const { network } = this.#options;
    const bridges = this.#bridges
      .filter((name) => this.#isBridge(name))
      .flatMap((name) => network.link(name)?.ifindex ?? []);
    const ports = network
      .ifindexes()
      .filter((port) => bridges.includes(network.linkByIndex(port)?.master ?? 0))
      .filter((port) => !nics.some(({ ifindex }) => ifindex === port));
    return { bridges, ports };
  }

  /** Takes everything away again. */
  async remove(): Promise<void> {
    this.#wanted = false;
    await this.#end();
  }

  [Symbol.dispose](): void {
    this.#programs?.close();
  }

  async #end(): Promise<void> {
    const { network, instance, log } = this.#options;
    this.#programs?.close();
    this.#programs = undefined;
    this.#facts = undefined;
    this.#written = undefined;
    if (hasHostPrograms(instance.pinDirectory)) {
      removeHostPrograms(instance.pinDirectory, network.ifindexes());
      log.info('this host does not reach its VIPs any more');
    }
    await removeHostLinks(network, instance.name);
  }

  async #makeLinks(model: Model): Promise<void> {
    const { network } = this.#options;
    const mtu = Math.min(1500, ...model.interfaces.flatMap((name) => network.link(name)?.mtu ?? []));
    if (this.#outer === undefined) {
      await this.#create(mtu);
      await this.#appeared(() => this.#outer !== undefined && network.link(HOST_LINKS.inner) !== undefined);
    }
    const outer = this.#outer;
    if (outer === undefined) {
      return;
    }
    if (!this.#isOurs) {
      throw new BeelineError(
        'HOST_CLIENTS_TAKEN',
        `there is another interface ${HOST_LINKS.outer}, of ${outer.alias ?? 'others'}`,
        {
          hint: 'Of the directors of a host, one alone can have "hostClients".',
        },
      );
    }
    const inner = network.link(HOST_LINKS.inner);
    if (inner === undefined) {
      throw new BeelineError('HOST_CLIENTS_TAKEN', `${HOST_LINKS.outer} has lost its other end, ${HOST_LINKS.inner}`, {
        hint: `Remove it: ip link delete ${HOST_LINKS.outer}`,
      });
    }
    if (!outer.up || !inner.up || outer.mtu !== mtu) {
      await network.setUp(inner.ifindex);
      await network.setUp(outer.ifindex, mtu);
      await this.#appeared(() => this.#outer?.up === true && network.link(HOST_LINKS.inner)?.up === true);
    }
    for (const family of familiesOf(model)) {
      for (const [link, end] of [
        [outer, 'outer'],
        [inner, 'inner'],
      ] as const) {
        const { address, length } = HOST_NETWORKS[end][family];
        if (!network.hasAddress(address)) {
          await network.addAddress(link.ifindex, address, length);
        }
      }
    }
  }

  /** Waits until what was made is in the tables, where it comes by events. A round that misses it is followed by another. */
  async #appeared(isThere: () => boolean): Promise<void> {
    const deadline = performance.now() + APPEAR_MS;
    while (!isThere() && performance.now() < deadline) {
      await sleep(APPEAR_STEP_MS);
    }
  }

  async #create(mtu: number): Promise<void> {
    const { network, instance } = this.#options;
    const mac = randomBytes(6);
    mac[0] = LOCAL_MAC;
    try {
      await network.createVeth({
        ends: [
          { name: HOST_LINKS.outer, mtu },
          { name: HOST_LINKS.inner, mtu: MOST_MTU },
        ],
        mac: macFromBytes(mac),
        alias: aliasOf(instance.name),
      });
    } catch (error) {
      if (!(error instanceof NetlinkError && error.errno === EEXIST)) {
        throw error;
      }
    }
    for (const name of [HOST_LINKS.outer, HOST_LINKS.inner]) {
      quiet(name);
    }
    // The director's programs see no checksums that a card would fill in, nor segments that it would cut.
    switchOffloadOff(HOST_LINKS.outer, 'tx');
  }
}

/** Removes the veth of an instance. */
export async function removeHostLinks(network: Network, instance: string): Promise<void> {
  const outer = network.link(HOST_LINKS.outer);
  if (outer !== undefined && isOf(outer, instance)) {
    await network.removeLink(outer.ifindex);
  }
}

/** Whether an end is an instance's. A process that was killed amid its start may have left one without an alias. */
function isOf(outer: Link | undefined, instance: string): boolean {
  return outer?.kind === 'veth' && (outer.alias ?? aliasOf(instance)) === aliasOf(instance);
}

function aliasOf(instance: string): string {
  return `Beeline, instance ${instance}: hostClients`;
}

/** Without IPv6's own packets: nobody is there to hear them. */
function quiet(name: string): void {
  for (const [setting, value] of [
    ['accept_ra', '0'],
    ['addr_gen_mode', '1'],
  ] as const) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${name}/${setting}`, value);
    } catch {
      // A kernel without IPv6.
    }
  }
}

function isForwarding(family: Family): boolean {
  try {
    return readFileSync(`/proc/sys/${FORWARDING[family].replaceAll('.', '/')}`, 'utf8').trim() !== '0';
  } catch {
    // A kernel without IPv6.
    return false;
  }
}

function familiesOf(model: Model): Set<Family> {
  return new Set(allServices(model).map(familyOfService));
}

/** @throws BeelineError `HOST_CLIENTS_NO_ADDRESS` */
function factsOf(image: Image, nics: readonly Interface[], outer: Link): HostFacts {
  const families = new Set(image.services.map(({ service }) => familyOfService(service)));
  const sourceOf = (family: Family): IpAddress | undefined =>
    nics
      .map(({ ifindex }) => image.answerSources.get(ifindex)?.[family])
      .find((each) => each !== undefined && each !== NO_ADDRESS && !isStandIn(each) && !each.startsWith('fe80:'));
  const addresses = { 4: sourceOf(4), 6: sourceOf(6) };
  const missing = ([4, 6] as const).find((family) => families.has(family) && addresses[family] === undefined);
  if (missing !== undefined) {
    throw new BeelineError(
      'HOST_CLIENTS_NO_ADDRESS',
      `this host has no IPv${missing} address but VIPs to which real servers could answer`,
      { hint: 'Give the director an address on the network of its real servers.' },
    );
  }
  return { networkCookie: networkCookie(), addresses, ifindex: outer.ifindex, mac: outer.mac };
}
