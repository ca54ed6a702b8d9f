/** Asks VIPs, real servers and the hosts beside them, and waits for what they answer. */

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { familyOf, ip, type IpAddress, type MacAddress } from '../../model/index.js';
import { echoRequest, type ProbeWay, tcpSegment, whoHas } from '../../packet/index.js';
import type {
  HeardMessage,
  NeighbourProbe,
  Outcome,
  PortProbe,
  ProbedInterface,
  ProbeFacts,
  RealServerProbe,
  RealServerVipProbe,
  VipProbe,
} from '../facts.js';
import { Ear } from './ear.js';
import type { Marks } from './filter.js';
import { MOST_PROBES, type RealServerTarget, type TargetPort, type Targets } from './targets.js';
import { ARP_PER_SECOND, PROBES_PER_SECOND, type Sending, Wire } from './wire.js';

/** How long an answer may take. Two such times, as what is not answered is asked again. */
const ANSWER_MS = 800;

/** Addresses that are on no network (RFC 5737, RFC 3849): an answer to one goes to the gateway of whoever answers. */
const OFF_LINK = { 4: ip('192.0.2.77'), 6: ip('2001:db8::77') } as const;

const FIRST_PORT = { from: 20_000, to: 30_000 } as const;

export interface ProbeRequest {
  readonly targets: Targets;
  /** The interfaces on which there is something to ask, and the address of each that packets come from. */
  readonly interfaces: readonly (ProbedInterface & { readonly sources: Readonly<Partial<Record<4 | 6, IpAddress>>> })[];
  readonly ownMacs: readonly MacAddress[];
  /** The shortest time to listen, in milliseconds. */
  readonly listenMs: number;
}

type Source = ProbeRequest['interfaces'][number];

/** A packet that asks, and what came of it. */
interface Probe {
  outcome: Outcome;
  readonly sending: Sending;
}

/** @throws KernelError `EPERM` without CAP_NET_RAW */
export async function probe(request: ProbeRequest): Promise<ProbeFacts> {
  using prober = new Prober(request);
  return await prober.run();
}

class Prober implements Disposable {
  readonly #request: ProbeRequest;
  readonly #marks: Marks;
  readonly #ear: Ear;
  readonly #wire: Wire;
  readonly #began = performance.now();
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #probes: Probe[] = [];
  #echoes = 0;
  #segments = 0;
  /** What ends the connections that were opened, by the port. */
  readonly #resets = new Map<number, Sending>();

  constructor(request: ProbeRequest) {
    this.#request = request;
    this.#sources = new Map(request.interfaces.map((each) => [each.name, each]));
    const names = new Map(request.interfaces.map(({ ifindex, name }) => [ifindex, name]));
    this.#marks = {
      echoId: randomInt(1, 1 << 16),
      firstPort: randomInt(FIRST_PORT.from, FIRST_PORT.to),
      ports: MOST_PROBES,
    };
    this.#ear = new Ear(this.#marks, (ifindex) => names.get(ifindex) ?? '', new Set(request.ownMacs));
    this.#wire = new Wire([...names.keys()], this.#marks, (ifindex, frame) => {
      this.#ear.hear(ifindex, frame, this.#now);
    });
  }

  get #now(): number {
    return performance.now() - this.#began;
  }

  async run(): Promise<ProbeFacts> {
    const { targets, interfaces, ownMacs, listenMs } = this.#request;
    await this.#askForAddresses();
    const realServers = targets.realServers.map((each) => this.#planRealServer(each));
    const neighbours = targets.neighbours.flatMap((each) => this.#planNeighbour(each));
    await this.#sendAll();
    await sleep(Math.max(0, listenMs - this.#now));
    const vips = new Set(targets.vips.map(({ vip }) => vip));
    const addresses = new Set([...vips, ...targets.realServers.map(({ address }) => address)]);
    return {
      interfaces: interfaces.map(({ name, ifindex, mac, mtu }) => ({ name, ifindex, mac, mtu })),
      ownMacs,
      vips: this.#vipProbes(),
      realServers: realServers.map((finish) => finish()),
      neighbours: neighbours.map((finish) => finish()),
      announced: this.#strangers(({ unasked, address }) => unasked && addresses.has(address)),
      vrrp: this.#ear.vrrp,
      routerAdvertisements: this.#ear.routerAdvertisements,
      ms: Math.round(this.#now),
      sent: this.#wire.sent,
      dropped: this.#wire.dropped,
    };
  }

  /** Asks for each VIP twice, since of two answers one may be late, and for each real server until it answers. */
  async #askForAddresses(): Promise<void> {
    const { targets } = this.#request;
    const vips = targets.vips.flatMap(({ vip, interfaces }) => interfaces.flatMap((name) => this.#question(vip, name)));
    const realServers = targets.realServers.filter(({ mac }) => mac === undefined);
    const questions = (of: readonly RealServerTarget[]): Sending[] =>
      of.flatMap((each) => this.#question(each.address, each.interface));
    await this.#wire.send([...vips, ...questions(realServers)], ARP_PER_SECOND);
    await sleep(ANSWER_MS);
    const silent = realServers.filter((each) => this.#macsOf(each).length === 0);
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

  /** What others than this host said. */
  #strangers(matches: (message: HeardMessage) => boolean): HeardMessage[] {
    const own = new Set(this.#request.ownMacs);
    return this.#ear.messages.filter(
      (each) =>
        each.kind === 'says' &&
        !own.has(each.sourceMac) &&
        !(each.mac !== undefined && own.has(each.mac)) &&
        matches(each),
    );
  }

  #vipProbes(): VipProbe[] {
    return this.#request.targets.vips.flatMap(({ vip, interfaces }) =>
      interfaces.map((name) => ({
        vip,
        interface: name,
        asked: 2,
        answers: this.#strangers((each) => !each.unasked && each.address === vip && each.interface === name),
      })),
    );
  }

  #macsOf({ address, interface: name, mac }: RealServerTarget): MacAddress[] {
    const said = this.#strangers((each) => each.address === address && each.interface === name);
    return mac === undefined ? [...new Set(said.map((each) => each.mac ?? each.sourceMac))] : [mac];
  }

  /** Makes the packets to a real server. @returns what reads their outcomes afterwards */
  #planRealServer(target: RealServerTarget): () => RealServerProbe {
    const { address, interface: name, vips } = target;
    const macs = this.#macsOf(target);
    const source = this.#sources.get(name);
    const [mac] = macs;
    const own = source?.sources[familyOf(address)];
    if (source === undefined || mac === undefined) {
      return () => ({ address, interface: name, macs, vips: vips.map(({ vip }) => ({ vip, ports: [] })) });
    }
    const way = (to: IpAddress, from = own): ProbeWay | undefined =>
      from && { sourceMac: source.mac, destinationMac: mac, source: from, destination: to, ttl: 1 };
    const offLink = OFF_LINK[familyOf(address)];
    const ping = this.#echo(source, way(address));
    const long = this.#echo(source, way(address), source.mtu);
    const gateway = this.#echo(source, way(address, offLink));
    const pairs = vips.map(({ vip, ports }) => ({
      vip,
      ping: this.#echo(source, way(vip)),
      offLink: this.#echo(source, way(vip, offLink)),
      ports: ports.map((each) => this.#planPort(source, each, way(vip), way(address))),
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

  #planPort(source: Source, port: TargetPort, byVip?: ProbeWay, byRip?: ProbeWay): () => PortProbe {
    const asks = port.protocol === 'tcp' && port.port !== 0;
    const [vip, rip] = asks ? [this.#syn(source, port.port, byVip), this.#syn(source, port.port, byRip)] : [];
    return () => ({ ...port, byVip: vip?.outcome, byRip: rip?.outcome });
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
    const ping = this.#echo(source, way(own));
    const byVip = vips.map((vip) => ({ vip, ping: this.#echo(source, way(vip)) }));
    return [
      () => ({
        ...{ address, interface: name, mac, ping: ping?.outcome ?? SILENT },
        byVip: byVip.map((each) => ({ vip: each.vip, ping: each.ping?.outcome ?? SILENT })),
      }),
    ];
  }

  /** Undefined: there is no address to ask from, or too much is asked already. */
  #echo(source: Source, way: ProbeWay | undefined, length?: number): Probe | undefined {
    if (way === undefined || this.#probes.length >= MOST_PROBES) {
      return undefined;
    }
    const sequence = this.#echoes;
    this.#echoes += 1;
    const frame = echoRequest(way, { id: this.#marks.echoId, sequence, ...(length !== undefined && { length }) });
    return this.#keep(source, frame, (settle) => this.#ear.expectEcho(sequence, settle));
  }

  #syn(source: Source, port: number, way: ProbeWay | undefined): Probe | undefined {
    if (way === undefined || this.#probes.length >= MOST_PROBES) {
      return undefined;
    }
    const sourcePort = this.#marks.firstPort + this.#segments;
    this.#segments += 1;
    const sequence = randomInt(0, 2 ** 31);
    const ports = { sourcePort, destinationPort: port };
    const reset = tcpSegment(way, { ...ports, flags: 'rst', sequence: sequence + 1 });
    this.#resets.set(sourcePort, { ifindex: source.ifindex, frame: reset });
    const frame = tcpSegment(way, { ...ports, flags: 'syn', sequence });
    return this.#keep(source, frame, (settle) => this.#ear.expectSegment(sourcePort, settle));
  }

  #keep(
    { ifindex }: Source,
    frame: Uint8Array,
    expect: (settle: (outcome: Outcome) => void) => (at: number) => void,
  ): Probe {
    const noteSent = expect((outcome) => {
      // The first answer counts, but an answer counts more than an error that another host sends.
      if (probe.outcome.kind === 'silent' || (probe.outcome.kind === 'icmp' && outcome.kind !== 'icmp')) {
        probe.outcome = outcome;
      }
    });
    const onSent = (): void => {
      noteSent(this.#now);
    };
    const probe: Probe = { outcome: SILENT, sending: { ifindex, frame, onSent } };
    this.#probes.push(probe);
    return probe;
  }

  /** Sends what asks, and once more what was not answered. */
  async #sendAll(): Promise<void> {
    const endings: Sending[] = [];
    // The real server must not wait for the rest of a connection that nobody wants.
    this.#ear.onSynAck = (port) => {
      const reset = this.#resets.get(port);
      if (reset !== undefined) {
        endings.push(reset);
      }
    };
    for (let round = 0; round < 2; round += 1) {
      const silent = this.#probes.filter(({ outcome }) => outcome.kind === 'silent');
      if (silent.length > 0) {
        await this.#wire.send(
          silent.map(({ sending }) => sending),
          PROBES_PER_SECOND,
        );
        await sleep(ANSWER_MS);
      }
      await this.#wire.send(endings.splice(0), PROBES_PER_SECOND);
    }
  }

  [Symbol.dispose](): void {
    this.#wire.close();
  }
}

const SILENT: Outcome = { kind: 'silent' };
