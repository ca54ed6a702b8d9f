/** What a machine offers for a first configuration: interfaces, their networks, and neighbours that may be real servers. Pure. */

import {
  familyOf,
  type IpAddress,
  ipBytes,
  isInNetwork,
  isLinkLocal,
  type MacAddress,
  parseIp,
} from '../../model/index.js';
import type { Link } from '../../net/index.js';
import type { HostAddress } from '../../steps/index.js';

export interface Candidate {
  readonly name: string;
  readonly mac: MacAddress;
  readonly carrier: boolean;
  /** With their prefixes, of this interface, or of the bond or bridge over it. */
  readonly addresses: readonly string[];
  /** Whether its driver runs XDP programs; undefined: the kernel does not tell. */
  readonly nativeXdp: boolean | undefined;
  /** Whether the default route leaves by it. */
  readonly isDefault: boolean;
  /** Hosts on its networks that the kernel knows, without routers. */
  readonly neighbours: readonly IpAddress[];
}

/** What `init` knows of the machine. */
export interface Surroundings {
  /** The likeliest first. */
  readonly candidates: readonly Candidate[];
  /** Of all interfaces. */
  readonly names: readonly string[];
}

export interface NeighbourEntry {
  readonly device: string;
  readonly address: string;
  readonly isRouter: boolean;
}

export interface MachineFacts {
  readonly links: readonly Link[];
  readonly addresses: readonly HostAddress[];
  readonly neighbours: readonly NeighbourEntry[];
  /** The interface and the gateway of each default route. */
  readonly defaults: readonly { readonly device: string; readonly gateway?: string | undefined }[];
  readonly nativeXdp: ReadonlyMap<number, boolean | undefined>;
}

/** Devices that have no driver of a network card: an XDP program would see no packets in it, or all of them too late. */
const VIRTUAL = [
  'bridge',
  'dummy',
  'gre',
  'ipip',
  'macvlan',
  'ipvlan',
  'sit',
  'tun',
  'vlan',
  'vrf',
  'vxlan',
  'wireguard',
  'ifb',
  'bareudp',
  'nlmon',
];

/** Returns the interfaces that can be the director's, the likeliest first. */
export function candidates(facts: MachineFacts): Candidate[] {
  const { links } = facts;
  return links
    .filter(({ name, kind, up }) => name !== 'lo' && up && !VIRTUAL.includes(kind))
    .map((link) => candidateOf(link, facts))
    .sort((a, b) => scoreOf(b) - scoreOf(a));
}

function scoreOf({ carrier, isDefault, addresses }: Candidate): number {
  return (carrier ? 4 : 0) + (isDefault ? 2 : 0) + (addresses.length > 0 ? 1 : 0);
}

function candidateOf(link: Link, facts: MachineFacts): Candidate {
  const devices = [link.name, ...overs(link, facts.links)];
  const gateways = facts.defaults.map(({ gateway }) => gateway);
  const neighbours = facts.neighbours
    .filter(({ device, address, isRouter }) => devices.includes(device) && !isRouter && !gateways.includes(address))
    .flatMap(({ address }) => parseIp(address) ?? [])
    .filter((address) => !isLinkLocal(address));
  return {
    name: link.name,
    mac: link.mac,
    carrier: link.carrier,
    addresses: facts.addresses
      .filter(({ device, address }) => devices.includes(device) && !isLinkLocal(address as IpAddress))
      .map(({ address, prefix }) => `${address}/${prefix}`),
    nativeXdp: facts.nativeXdp.get(link.ifindex),
    isDefault: facts.defaults.some(({ device }) => devices.includes(device)),
    neighbours: [...new Set(neighbours)],
  };
}

/** The names of the bond or bridge over a link, of the one over that, and of VLAN devices on it. */
function overs(link: Link, links: readonly Link[], seen: readonly Link[] = []): string[] {
  const above = links.filter(
    (each) =>
      !seen.includes(each) && each !== link && (each.ifindex === link.master || each.vlan?.parent === link.ifindex),
  );
  return above.flatMap((each) => [each.name, ...overs(each, links, [...seen, link, ...above])]);
}

/** Whether an address is in a network, written as "192.168.1.21/24". */
export function isIn(address: IpAddress, network: string): boolean {
  const [text = '', prefix] = network.split('/');
  return isInNetwork(address, text as IpAddress, Number(prefix));
}

/** Whether an address is the first or the last of an IPv4 network, written as "192.168.1.21/24": no host has it. */
export function isNoHost(address: IpAddress, network: string): boolean {
  const prefix = Number(network.split('/')[1]);
  if (familyOf(address) === 6 || prefix > 30 || !isIn(address, network)) {
    return false;
  }
  const host = ipBytes(address).reduce((value, byte) => value * 256 + byte, 0) % 2 ** (32 - prefix);
  return host === 0 || host === 2 ** (32 - prefix) - 1;
}
