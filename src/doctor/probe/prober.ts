/** Asks VIPs, real servers and the hosts beside them, and waits for what they answer. */

import { setTimeout as sleep } from 'node:timers/promises';

import { familyOf, ip, type IpAddress, type MacAddress } from '../../model/index.js';
import { type ProbeWay, routerSolicitation, whoHas } from '../../packet/index.js';
import type {
  HeardMessage,
  NeighbourProbe,
  PortProbe,
  ProbedInterface,
  ProbeFacts,
  RealServerProbe,
  RealServerVipProbe,
  VipProbe,
} from '../facts.js';
import { Ear } from './ear.js';
import { Heard } from './heard.js';
import { KeptMarks } from './marks.js';
import { ANSWER_MS, Packets, type Probe, SILENT } from './packets.js';
import { isAsked, type RealServerTarget, type Targets } from './targets.js';
import { ARP_PER_SECOND, type Sending, Wire } from './wire.js';

/** Addresses that are on no network (RFC 5737, RFC 3849): an answer to one goes to the gateway of whoever answers. */
const OFF_LINK = { 4: ip('192.0.2.77'), 6: ip('2001:db8::77') } as const;

export interface ProbeRequest {
  readonly targets: Targets;
  /** The interfaces on which there is something to ask, and the address of each that packets come from. */
  readonly interfaces: readonly (ProbedInterface & { readonly sources: Readonly<Partial<Record<4 | 6, IpAddress>>> })[];
  readonly ownMacs: readonly MacAddress[];
  /** The shortest time to listen, in milliseconds. */
  readonly listenMs: number;
}

type Source = ProbeRequest['interfaces'][number];

/** @throws KernelError `EPERM` without CAP_NET_RAW */
export async function probe(request: ProbeRequest): Promise<ProbeFacts & { readonly lost: readonly string[] }> {
  using prober = new Prober(request);
  return await prober.run();
}

class Prober implements Disposable {
  readonly #request: ProbeRequest;
  readonly #heard: Heard;
  readonly #ear: Ear;
  readonly #wire: Wire;
  readonly #packets: Packets;
  readonly #marks = new KeptMarks();
  readonly #began = performance.now();
  readonly #sources: ReadonlyMap<string, Source>;

  constructor(request: ProbeRequest) {
    this.#request = request;
    this.#sources = new Map(request.interfaces.map((each) => [each.name, each]));
    const names = new Map(request.interfaces.map(({ ifindex, name }) => [ifindex, name]));
    const marks = this.#marks;
    const own = new Set(request.ownMacs);
    this.#heard = new Heard(own);
    const onMessage = (message: HeardMessage): void => {
      this.#heard.add(message);
    };
    this.#ear = new Ear({ marks, nameOf: (ifindex) => names.get(ifindex) ?? '', own, onMessage });
    try {
      this.#wire = new Wire(names, marks, (ifindex, frame) => {
        this.#ear.hear(ifindex, frame, this.#now);
      });
    } catch (error) {
      marks.close();
      throw error;
    }
    this.#packets = new Packets(this.#ear, this.#wire, marks, () => this.#now);
  }

  get #now(): number {
    return performance.now() - this.#began;
  }

  async run(): Promise<ProbeFacts & { readonly lost: readonly string[] }> {
    const { targets, interfaces, ownMacs, listenMs } = this.#request;
    await this.#askForAddresses();
    const realServers = targets.realServers.map((each) => this.#planRealServer(each));
    const neighbours = this.#neighbours().flatMap((each) => this.#planNeighbour(each));
    await this.#packets.send();
    await sleep(Math.max(0, listenMs - this.#now));
    const named = new Set([...targets.vips.map(({ vip }) => vip), ...targets.realServers.map((each) => each.address)]);
    return {
      interfaces: interfaces.map(({ name, ifindex, mac, mtu }) => ({ name, ifindex, mac, mtu })),
      ownMacs,
      vips: this.#vipProbes(),
      realServers: realServers.map((finish) => finish()),
      neighbours: neighbours.map((finish) => finish()),
      directors: targets.directors.map((each) => ({
        address: each.address,
        macs: this.#heard.macsOf(each.address, each.interface),
      })),
      proxies: interfaces.flatMap(({ name }) =>
        ([4, 6] as const).flatMap((of) => this.#heard.said(OFF_LINK[of], name)),
      ),
      announced: [...named].flatMap((address) => this.#heard.unasked(address)),
      vrrp: this.#ear.vrrp,
      routerAdvertisements: this.#ear.routerAdvertisements,
      ms: Math.round(this.#now),
      sent: this.#wire.sent,
      dropped: this.#wire.dropped,
      lost: this.#wire.lost,
    };
  }

  /** Asks for each VIP twice, since of two answers one may be late, and for each real server until it answers. */
  async #askForAddresses(): Promise<void> {
    const { targets, interfaces } = this.#request;
    const vips = targets.vips.flatMap(({ vip, interfaces: names }) =>
      names.flatMap((name) => this.#question(vip, name)),
    );
    const once = interfaces.flatMap((each) => [
      ...([4, 6] as const).flatMap((of) =>
        each.sources[of] === undefined ? [] : this.#question(OFF_LINK[of], each.name),
      ),
      ...solicitationBy(each),
    ]);
    const others = [...targets.directors, ...targets.realServers.filter(({ mac }) => mac === undefined)];
    const questions = (of: typeof others): Sending[] =>
      of.flatMap((each) => this.#question(each.address, each.interface));
    await this.#wire.send([...once, ...vips, ...questions(others)], ARP_PER_SECOND);
    await sleep(ANSWER_MS);
    const silent = others.filter((each) => this.#heard.said(each.address, each.interface).length === 0);
    await this.#wire.send([...vips, ...questions(silent)], ARP_PER_SECOND);
    await sleep(ANSWER_MS);
  }

  #question(address: IpAddress, name: string): Sending[] {
    const source = this.#sources.get(name);
    if (source === undefined) {
      return [];
    }
    const asker = source.sources[familyOf(address)];
    const from = { mac: source.mac, ...(asker !== undefined && { address: asker }) };
    return [{ ifindex: source.ifindex, frame: whoHas(address, from) }];
  }

  #vipProbes(): VipProbe[] {
    return this.#request.targets.vips.flatMap(({ vip, interfaces }) =>
      interfaces.map((name) => {
        // A host without an address is answered by messages for all, as while it checks for duplicates.
        const isForAll = familyOf(vip) === 6 && this.#sources.get(name)?.sources[6] === undefined;
        const answers = this.#heard.said(vip, name).filter(({ unasked }) => !unasked || isForAll);
        return { vip, interface: name, asked: 2, answers };
      }),
    );
  }

  /** Makes the packets to a real server. @returns what reads their outcomes afterwards */
  #planRealServer({ address, interface: name, vips, mac: given }: RealServerTarget): () => RealServerProbe {
    const macs = given === undefined ? this.#heard.macsOf(address, name) : [given];
    const source = this.#sources.get(name);
    const [mac] = macs;
    const family = familyOf(address);
    const own = source?.sources[family];
    if (source === undefined || mac === undefined) {
      return () => ({ address, interface: name, macs, vips: vips.map(({ vip }) => ({ vip, ports: [] })) });
    }
    const { ifindex } = source;
    const way = (to: IpAddress, from = own): ProbeWay | undefined =>
      from && { sourceMac: source.mac, destinationMac: mac, source: from, destination: to, ttl: 1 };
    const beyond = (to: IpAddress): Probe | undefined =>
      this.#packets.echo(ifindex, own && way(to, OFF_LINK[family]), { again: false });
    const ping = this.#packets.echo(ifindex, way(address));
    const long = this.#packets.echo(ifindex, way(address), { length: source.mtu });
    const gateway = beyond(address);
    const ownPorts = new Map<number, { readonly probe: Probe | undefined; readonly instead: Probe[] }>();
    const pairs = vips.map(({ vip, ports }, i) => ({
      vip,
      ping: this.#packets.echo(ifindex, way(vip)),
      // A gateway is the same for all VIPs.
      offLink: i === 0 ? beyond(vip) : undefined,
      ports: ports.map((each) => {
        const byVip = isAsked(each) ? this.#packets.syn(ifindex, each.port, way(vip)) : undefined;
        if (byVip === undefined) {
          return (): PortProbe => each;
        }
        // The same port of its own address: once, whatever the VIPs, and only if that tells more.
        let byRip = ownPorts.get(each.port);
        if (byRip === undefined) {
          const instead: Probe[] = [];
          byRip = { probe: this.#packets.syn(ifindex, each.port, way(address), instead), instead };
          ownPorts.set(each.port, byRip);
        }
        byRip.instead.push(byVip);
        const { probe: ofRip } = byRip;
        return (): PortProbe => ({
          ...each,
          byVip: byVip.outcome,
          byRip: ofRip?.isSent === true ? ofRip.outcome : undefined,
        });
      }),
    }));
    return () => ({
      ...{ address, interface: name, macs },
      ...{ ping: ping?.outcome, longPing: long?.outcome, offLink: gateway?.outcome },
      vips: pairs.map((each): RealServerVipProbe => ({
        ...{ vip: each.vip, ping: each.ping?.outcome, offLink: each.offLink?.outcome },
        ports: each.ports.map((finish) => finish()),
      })),
    });
  }

  /** The hosts beside the real servers. One with a real server's MAC, or a director's, has the VIPs itself. */
  #neighbours(): Targets['neighbours'] {
    const { targets, ownMacs } = this.#request;
    const others = [...targets.realServers, ...targets.directors];
    const busy = new Set<MacAddress>([
      ...ownMacs,
      ...targets.directorMacs,
      ...others.flatMap((each) => this.#heard.macsOf(each.address, each.interface)),
      ...targets.realServers.flatMap(({ mac }) => mac ?? []),
    ]);
    return targets.neighbours.filter(({ mac }) => !busy.has(mac));
  }

  #planNeighbour({ address, interface: name, mac }: Targets['neighbours'][number]): (() => NeighbourProbe)[] {
    const source = this.#sources.get(name);
    const own = source?.sources[familyOf(address)];
    if (source === undefined || own === undefined) {
      return [];
    }
    const way = (from: IpAddress): ProbeWay => ({
      ...{ sourceMac: source.mac, destinationMac: mac, source: from, destination: address, ttl: 1 },
    });
    const vips = this.#request.targets.vipsHere.filter((vip) => familyOf(vip) === familyOf(address));
    const ping = this.#packets.echo(source.ifindex, way(own));
    const byVip = vips.map((vip) => ({ vip, ping: this.#packets.echo(source.ifindex, way(vip)) }));
    return [
      () => ({
        ...{ address, interface: name, mac, ping: ping?.outcome ?? SILENT },
        byVip: byVip.flatMap((each) => (each.ping === undefined ? [] : [{ vip: each.vip, ping: each.ping.outcome }])),
      }),
    ];
  }

  [Symbol.dispose](): void {
    this.#wire.close();
    this.#marks.close();
  }
}

/** Asks for routers: those that advertise themselves do so every few minutes otherwise. */
function solicitationBy({ ifindex, mac, sources }: Source): Sending[] {
  const address = sources[6];
  return address === undefined ? [] : [{ ifindex, frame: routerSolicitation({ mac, address }) }];
}
