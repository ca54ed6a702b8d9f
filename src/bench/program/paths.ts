/** The paths whose costs are measured: one line for each kind of packet. Pure. */

import { FIRST_EXTENT } from '../../dataplane/index.js';
import * as layout from '../../layout/index.js';
import { XdpAction } from '../../libbpf/index.js';
import {
  buildFrame,
  ETHER_TYPE,
  fragmentHeader,
  type FrameOptions,
  icmpError,
  ipv4Fragment,
  replyBeginning,
  tagged,
  TCP_FLAG,
  withExtensions,
  withOptions,
} from '../../packet/index.js';
import { BENCH_VLAN, DIRECTOR, type Size, type Variant, vip } from './director.js';
import { ip, mac } from '../../model/index.js';

export interface Path {
  readonly path: string;
  readonly size: Size;
  readonly flows: number;
  readonly program:
    'empty' | 'mac_swap' | 'from_client_director' | 'flows_empty' | 'flows_read' | 'dependent_read' | 'flows_director';
  readonly floor: 'empty' | 'flows_empty';
  readonly frame: Uint8Array;
  /** Default: common. */
  readonly variant?: Variant;
  /** A frame to send before each measurement, as a first fragment before a later one. */
  readonly after?: Uint8Array;
  /** Packets to send before all measurements, so that all flows are known. */
  readonly warmUp?: number;
  /** The flow table is cleared each time after so many packets, so that each packet begins a flow. */
  readonly forgetsAfter?: number;
  /** Entries of the flow table: a power of two, all of them in use. Default: FIRST_EXTENT. */
  readonly entries?: number;
  /** The program does so many times in one run what is measured. */
  readonly times?: number;
  /** The XdpAction that the program must return. Another one would mean that another path was measured. */
  readonly expect: number;
}

const CLIENT_MAC = mac('00:50:00:00:03:00');
const SMALL: Size = { services: 1, destinations: 10 };
const WIDE: Size = { services: 1, destinations: 64 };
/** Flows of the paths that draw them at random, unless they say otherwise. */
const MANY_FLOWS = 1 << 20;

function frame(options: Partial<FrameOptions> = {}): Uint8Array {
  const ipv6 = options.destination?.includes(':') === true;
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: ipv6 ? ip('fd00::12') : ip('192.168.1.12'),
    destination: vip(0),
    protocol: 'tcp',
    sourcePort: 40_000,
    destinationPort: 80,
    ...options,
  });
}

/** Returns a path of one flow to one service. */
function one(path: string, program: Path['program'], packet: Uint8Array, rest: Partial<Path> = {}): Path {
  return { path, size: SMALL, flows: 1, program, floor: 'empty', frame: packet, expect: XdpAction.tx, ...rest };
}

/** Returns a path whose packets each belong to a random flow and go to a random service. */
function many(path: string, size: Size, flows: number, program: Path['program'] = 'flows_director'): Path {
  return { ...one(path, program, frame()), size, flows, floor: 'flows_empty' };
}

/** Returns the paths to measure at a given size. The floors come first. */
export function pathsOf({ services, destinations, flows }: Size & { flows: number }): Path[] {
  const size = { services, destinations };
  const pass = { size, expect: XdpAction.pass };
  return [
    one('empty', 'empty', frame(), { size }),
    one('mac-swap', 'mac_swap', frame(), { size }),
    one('ipv4-tcp', 'from_client_director', frame(), { size }),
    one('ipv4-udp', 'from_client_director', frame({ protocol: 'udp' }), { size }),
    one('ipv6-tcp', 'from_client_director', frame({ destination: ip('fd00::100') }), { size }),
    one('ipv6-udp', 'from_client_director', frame({ destination: ip('fd00::100'), protocol: 'udp' }), { size }),
    one('no-service', 'from_client_director', frame({ destination: ip('192.168.1.21'), destinationPort: 22 }), pass),
    one('no-service-ipv6', 'from_client_director', frame({ destination: ip('fd00::21'), destinationPort: 22 }), pass),
    one('vip-no-service', 'from_client_director', frame({ destinationPort: 22 }), pass),
    many('flows-empty', size, flows, 'flows_empty'),
    many('flows-1', size, 1),
    many(`flows-${flows}`, size, flows),
  ];
}

const VIP6 = ip('fd00::100');
const CLIENT = ip('192.168.1.12');
const CLIENT6 = ip('fd00::12');

/** An IPv6 options header that holds nothing but padding (RFC 8200, 4.2). */
const PADDING = { number: 60, rest: [0, 1, 4, 0, 0, 0, 0] };

/** Every flow has an entry. Nearly each of a million flows has sent two packets before the measurement. */
const TRACKED = { variant: 'tracked', warmUp: 8 * MANY_FLOWS } as const;

/** More flows than packets, so that nearly each packet begins a flow, in a table that is at most half full. */
const NEW_FLOWS = 1 << 26;
const BEGINS = { variant: 'tracked', forgetsAfter: MANY_FLOWS, entries: 2 * MANY_FLOWS } as const;
/** The same in a table that fits in the processor's caches, so that only instructions cost time. */
const CACHED = { entries: FIRST_EXTENT, forgetsAfter: FIRST_EXTENT / 2 } as const;

/** Returns the path of so many flows that all have an entry. */
function trackedFlows(flows: number): Path {
  return { ...many(`tracked-flows-${flows}`, SMALL, flows), ...TRACKED, entries: Math.max(FIRST_EXTENT, 2 * flows) };
}

/** DEPENDENT_READS in bpf/bench.bpf.c. */
const DEPENDENT_READS = 16;

/** Returns the path of reads of a table of so many MB, each at an address that the read before gave. */
function dependentRead(megabytes: number): Path {
  const entries = (megabytes << 20) / layout.flow4.byteLength;
  return { ...one(`dependent-read-${megabytes}mb`, 'dependent_read', frame()), entries, times: DEPENDENT_READS };
}

/** Returns paths of unusual packets, and of plain packets with every feature on. */
function unusualPaths(): Path[] {
  const macs = { destinationMac: DIRECTOR.mac, sourceMac: CLIENT_MAC };
  const udp = frame({ protocol: 'udp', payload: new Uint8Array(64) });
  const tcp6 = frame({ destination: VIP6 });
  const error = icmpError({
    ...macs,
    router: ip('10.9.9.9'),
    vip: vip(0),
    type: 3,
    quoted: replyBeginning(vip(0), 80, CLIENT, 40_000, 6),
  });
  const error6 = icmpError({
    ...macs,
    router: ip('fd09::9'),
    vip: VIP6,
    type: 2,
    quoted: replyBeginning(VIP6, 80, CLIENT6, 40_000, 6),
  });
  const [first6, later6] = [fragmentHeader(0, true, 1), fragmentHeader(1448, false, 1)].map((header) =>
    withExtensions(tcp6, [header]),
  );
  const everything = { variant: 'everything' } as const;
  const syn = frame({ flags: TCP_FLAG.syn });
  const noService = { ...everything, expect: XdpAction.pass };
  return [
    one('first-packet', 'from_client_director', frame({ flags: TCP_FLAG.syn })),
    one('ipv4-options', 'from_client_director', withOptions(frame(), [1, 1, 1, 1])),
    one('ipv6-extension', 'from_client_director', withExtensions(tcp6, [PADDING])),
    one('first-fragment', 'from_client_director', ipv4Fragment(udp, 0, true, 1)),
    one('later-fragment', 'from_client_director', ipv4Fragment(udp, 1480, false, 1), {
      after: ipv4Fragment(udp, 0, true, 1),
    }),
    one('first-fragment-ipv6', 'from_client_director', first6!),
    one('later-fragment-ipv6', 'from_client_director', later6!, { after: first6! }),
    one('icmp-error', 'from_client_director', error),
    one('icmp-error-ipv6', 'from_client_director', error6),
    one('vlan', 'from_client_director', tagged(frame(), ETHER_TYPE.vlan, BENCH_VLAN), { variant: 'vlan' }),
    one('tracked-ipv4-tcp', 'from_client_director', frame(), TRACKED),
    one('tracked-ipv4-udp', 'from_client_director', frame({ protocol: 'udp' }), TRACKED),
    one('tracked-ipv6-tcp', 'from_client_director', tcp6, TRACKED),
    // In tables that are half full: a director's grow at that.
    ...[1, 4096, 65_536, 262_144, MANY_FLOWS].map(trackedFlows),
    ...[2, 8, 32].map(dependentRead),
    { ...many('random-read', SMALL, MANY_FLOWS, 'flows_read'), ...TRACKED, entries: 2 * MANY_FLOWS },
    { ...many('new-flow', SMALL, NEW_FLOWS), ...BEGINS },
    { ...many('new-flow-cached', SMALL, NEW_FLOWS), ...BEGINS, ...CACHED },
    { ...many('new-flow-wlc-64', WIDE, NEW_FLOWS), ...BEGINS, variant: 'wlc', frame: syn },
    { ...many('new-flow-wlc-64-cached', WIDE, NEW_FLOWS), ...BEGINS, ...CACHED, variant: 'wlc', frame: syn },
    one('everything-ipv4-tcp', 'from_client_director', frame(), everything),
    one('everything-ipv6-tcp', 'from_client_director', tcp6, everything),
    one(
      'everything-no-service',
      'from_client_director',
      frame({ destination: ip('192.168.1.21'), destinationPort: 22 }),
      noService,
    ),
    { ...many('everything-flows-1048576', SMALL, MANY_FLOWS), ...everything },
  ];
}

/** Returns paths of all kinds of packets to one small service, and to more flows, services and destinations. */
export function standardPaths(): Path[] {
  return [
    ...pathsOf({ ...SMALL, flows: MANY_FLOWS }),
    ...unusualPaths(),
    many('flows-4096', SMALL, 4096),
    many('flows-65536', SMALL, 65_536),
    one('services-1', 'from_client_director', frame()),
    one('services-1000', 'from_client_director', frame(), { size: { services: 1000, destinations: 10 } }),
    many('services-1000-random', { services: 1000, destinations: 10 }, MANY_FLOWS),
    many('destinations-10', SMALL, MANY_FLOWS),
    many('destinations-1000', { services: 1, destinations: 1000 }, MANY_FLOWS),
  ];
}
