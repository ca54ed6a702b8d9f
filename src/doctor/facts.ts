/** Everything that the doctor's checks look at. Gathered once; plain data. */

import type {
  FlowReport,
  FlowSummary,
  ServiceChecks,
  ServiceReport,
  StatusReport,
  UnattendedReport,
} from '../control/index.js';
import type { IpAddress, MacAddress, Model, Protocol, Warning } from '../model/index.js';
import type { NeighbourMessage } from '../packet/index.js';
import type { CardFacts, FirewallFacts, HostFacts } from './facts-host.js';
import type { Finding as RealServerFinding, HostLook } from '../realserver/index.js';

export interface Facts {
  readonly director: DirectorFacts;
  readonly network?: NetworkFacts | undefined;
  readonly host?: HostFacts | undefined;
  readonly cards?: readonly CardFacts[] | undefined;
  readonly firewall?: FirewallFacts | undefined;
  /** What other hosts answered, and what was heard meanwhile. */
  readonly probes?: ProbeFacts | undefined;
  /** What hosts said of themselves over SSH. Undefined: they were not asked. */
  readonly remote?: readonly RemoteHost[] | undefined;
  /** What could not be looked at, and why. */
  readonly notLookedAt: readonly { readonly what: string; readonly why: string }[];
  /** The network was to be asked, and could not be: nobody may say that nothing is wrong. */
  readonly isIncomplete?: boolean | undefined;
}

/** What this director should do, and what its daemon says. */
export interface DirectorFacts {
  readonly model: Model;
  /** Where the model comes from. */
  readonly source: 'daemon' | 'maps' | 'file';
  readonly configPath: string;
  /** What the configuration and the daemon warn of. */
  readonly warnings: readonly Warning[];
  /** Undefined: no daemon listens. */
  readonly status?: StatusReport | undefined;
  readonly unattended?: UnattendedReport | undefined;
  readonly services?: readonly ServiceReport[] | undefined;
  /** The same once the network was asked: what was counted meanwhile came by itself. */
  readonly servicesAfter?: readonly ServiceReport[] | undefined;
  readonly checks?: readonly ServiceChecks[] | undefined;
  /** What the daemon remembers of flows, and some flows of the client that has most of them. */
  readonly flows?: { readonly summary: FlowSummary; readonly ofTopClient: readonly FlowReport[] } | undefined;
  /** The other directors of the file's "hosts", with their models. */
  readonly hosts?: readonly { readonly host: string; readonly model: Model }[] | undefined;
}

export interface HostAddress {
  readonly interface: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Of IPv6: its duplicate was found. */
  readonly duplicate: boolean;
  /** "global", "link", "host". */
  readonly scope: string;
}

export interface HostLink {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: MacAddress;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  /** The driver's kind of device: "bond", "vlan", "veth"; empty for hardware. */
  readonly kind: string;
  /** The interfaces by which a director can send what goes to it: itself, those under its tags, the members of a bond. */
  readonly egresses?: readonly string[] | undefined;
  /** Of a bond, bridge, VLAN device or macvlan: the interfaces at its bottom. */
  readonly leaves?: readonly string[] | undefined;
}

export interface HostRoute {
  readonly kind: 'local' | 'unicast' | 'other';
  readonly interface: string;
  readonly gateway?: IpAddress | undefined;
  readonly prefixLength: number;
}

export interface NetworkFacts {
  readonly links: readonly HostLink[];
  readonly addresses: readonly HostAddress[];
  /** Where the kernel sends packets for each VIP, real server and other director; an address that is missing has no route. */
  readonly routes: ReadonlyMap<IpAddress, HostRoute>;
  /** Of IPv6: from which address this host's own packets to a real server come, as the kernel chooses it. */
  readonly sources?: ReadonlyMap<IpAddress, IpAddress> | undefined;
}

/** What became of a packet that asked for an answer. */
export type Outcome =
  /** `mac`: of the host that answered. */
  | { readonly kind: 'answer'; readonly text: string; readonly mac: MacAddress; readonly ms: number }
  | { readonly kind: 'refused'; readonly text: string; readonly mac: MacAddress; readonly ms: number }
  /** An ICMP error: who sent it, and what it says. */
  | {
      readonly kind: 'icmp';
      readonly text: string;
      readonly from: IpAddress;
      readonly mac: MacAddress;
      readonly expired: boolean;
    }
  | { readonly kind: 'silent' };

export interface ProbedInterface {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: MacAddress;
  readonly mtu: number;
}

/** Who answered for a VIP, asked on one interface. This host's own answers are not among them. */
export interface VipProbe {
  readonly vip: IpAddress;
  readonly interface: string;
  readonly asked: number;
  readonly answers: readonly HeardMessage[];
}

export interface HeardMessage extends NeighbourMessage {
  readonly interface: string;
  /** Milliseconds since the doctor began to listen. */
  readonly at: number;
}

/** A frame that was heard: VRRP or a router advertisement. */
export interface HeardFrame {
  readonly interface: string;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A real server, as seen through its MAC. */
export interface RealServerProbe {
  readonly address: IpAddress;
  readonly interface: string;
  /** Who answered for its address; several: two hosts have it. Of one whose MAC is configured: that one. */
  readonly macs: readonly MacAddress[];
  /** Undefined: not asked, because its MAC is unknown. */
  readonly ping?: Outcome | undefined;
  /** As long as the interface's MTU permits, not to be fragmented. */
  readonly longPing?: Outcome | undefined;
  /** From an address that is on no network (RFC 5737, RFC 3849): an answer here means that its gateway is this host. */
  readonly offLink?: Outcome | undefined;
  readonly vips: readonly RealServerVipProbe[];
}

/** A VIP on one real server: packets for the VIP, to the real server's MAC, with a TTL of 1. */
export interface RealServerVipProbe {
  readonly vip: IpAddress;
  readonly ping?: Outcome | undefined;
  /** As `RealServerProbe.offLink`, by the VIP. */
  readonly offLink?: Outcome | undefined;
  readonly ports: readonly PortProbe[];
}

export interface PortProbe {
  readonly service: string;
  readonly protocol: Protocol;
  readonly port: number;
  /**
   * A SYN to the VIP; and one to the real server's own address, if that of a VIP was not answered. Undefined: not asked, as
   * UDP never is.
   */
  readonly byVip?: Outcome | undefined;
  readonly byRip?: Outcome | undefined;
}

/** A host of the network that is no real server: a client, or a router. */
export interface NeighbourProbe {
  readonly address: IpAddress;
  readonly interface: string;
  readonly mac: MacAddress;
  /** A ping from this host's own address. */
  readonly ping: Outcome;
  /** Pings from VIPs that this host has: an answer that does not come went elsewhere, by the host's own ARP cache. */
  readonly byVip: readonly { readonly vip: IpAddress; readonly ping: Outcome }[];
}

export interface ProbeFacts {
  readonly interfaces: readonly ProbedInterface[];
  /** The MACs by which this host speaks: a virtual one only while it has the VIPs. */
  readonly ownMacs: readonly MacAddress[];
  readonly vips: readonly VipProbe[];
  readonly realServers: readonly RealServerProbe[];
  readonly neighbours: readonly NeighbourProbe[];
  /** The other directors of the configuration that it names by address, and who answered for each. */
  readonly directors: readonly { readonly address: IpAddress; readonly macs: readonly MacAddress[] }[];
  /** Who answered for an address that nobody has: hosts that answer for others (proxy ARP). */
  readonly proxies: readonly HeardMessage[];
  /** What was said about VIPs and real servers without being asked for, questions that name one as the asker included. */
  readonly announced: readonly HeardMessage[];
  readonly vrrp: readonly HeardFrame[];
  readonly routerAdvertisements: readonly HeardFrame[];
  readonly ms: number;
  readonly sent: number;
  /** Frames that came faster than they were read. */
  readonly dropped: number;
}

/** A host that was asked over SSH. */
export interface RemoteHost {
  /** As SSH was given it: "192.168.1.31", "root@web1". */
  readonly host: string;
  /** The addresses that real servers of the configuration have, and this host. None: a client, or a router. */
  readonly realServers: readonly IpAddress[];
  readonly look: HostLook;
  /** What "beeline realserver check" would say there of the VIPs of its services. */
  readonly findings: readonly RealServerFinding[];
}
