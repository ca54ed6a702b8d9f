/** Reads what the look of a host printed, which may be anything: what is no name or address of a host is left out. Pure. */

import {
  addressBits,
  familyOf,
  type IpAddress,
  isIp,
  isMac,
  mac,
  type MacAddress,
  parseIp,
} from '../../model/index.js';
import { END } from './look.js';

/** A host's interfaces, addresses, gateways and neighbours. */
export interface HostLook {
  readonly links: readonly HostLookLink[];
  readonly addresses: readonly HostLookAddress[];
  /** Of the default routes. */
  readonly gateways: readonly { readonly address: IpAddress; readonly device: string }[];
  readonly neighbours: readonly { readonly address: IpAddress; readonly device: string; readonly mac: MacAddress }[];
}

export interface HostLookLink {
  readonly device: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly mac?: MacAddress | undefined;
}

export interface HostLookAddress {
  readonly device: string;
  readonly address: IpAddress;
  readonly prefix: number;
  /** Words after it: "tentative", "dadfailed", "temporary". */
  readonly flags: readonly string[];
}

/** The parts of the output by their names, whose lines are whole. */
export type Parts = ReadonlyMap<string, string>;

/** Returns the parts; undefined: it was cut off, or it is no output of the script. What a login shell says is left out. */
export function partsOf(output: string): Parts | undefined {
  const parts = new Map<string, string[]>();
  let lines: string[] | undefined;
  let isWhole = false;
  for (const line of output.split('\n')) {
    if (line === END) {
      isWhole = true;
    } else if (line.startsWith('@')) {
      const name = line.slice(1);
      lines = parts.get(name) ?? [];
      parts.set(name, lines);
    } else if (line.startsWith(' ')) {
      lines?.push(`${line.slice(1)}\n`);
    }
  }
  return isWhole ? new Map([...parts].map(([name, each]) => [name, each.join('')])) : undefined;
}

const LINK = /^\d+: ([^\s:@]+)(?:@[^\s:]+)?: <([A-Z0-9_,-]*)>.* mtu (\d{1,9})\b/;
const LINK_ADDRESS = /^\s+link\/\S+ ([0-9a-f:]{17})\b/;
const ADDRESS = /^\s+inet6? ([0-9a-fA-F.:]{2,45})(?: peer [0-9a-fA-F.:]{2,45})?(?:\/(\d{1,3}))?\b(.*)$/;
/** As the kernel takes them, but for those that a shell would take for more than a name. */
const DEVICE = /^[A-Za-z0-9._-]{1,15}$/;

/** Parses `ip address show`, of iproute2 or BusyBox. */
export function parseAddressText(text: string): Pick<HostLook, 'links' | 'addresses'> {
  const links: HostLookLink[] = [];
  const addresses: HostLookAddress[] = [];
  let device: string | undefined;
  for (const line of text.split('\n')) {
    const [, name, flags = '', mtu] = LINK.exec(line) ?? [];
    if (name !== undefined) {
      device = DEVICE.test(name) ? name : undefined;
      if (device !== undefined) {
        links.push({ device, flags: flags.split(','), mtu: Number(mtu) });
      }
      continue;
    }
    const last = links.at(-1);
    if (device === undefined || last === undefined) {
      continue;
    }
    const own = LINK_ADDRESS.exec(line)?.[1];
    if (own !== undefined && isMac(own)) {
      links[links.length - 1] = { ...last, mac: mac(own) };
      continue;
    }
    const [, written = '', prefix, rest = ''] = ADDRESS.exec(line) ?? [];
    const address = parseIp(written);
    if (address !== undefined) {
      const most = addressBits(familyOf(address));
      addresses.push({
        device,
        address,
        prefix: Math.min(Number(prefix ?? most), most),
        flags: rest.trim().split(/\s+/),
      });
    }
  }
  return { links, addresses };
}

/** Parses `ip route show default`, with one gateway or several. */
export function parseGateways(text: string): HostLook['gateways'] {
  return Array.from(text.matchAll(/\bvia (?:inet6 )?([0-9a-fA-F.:]{2,45}) dev (\S{1,15})(?!\S)/g)).flatMap(
    ([, written, device]) => {
      const address = parseIp(written!);
      return address !== undefined && DEVICE.test(device!) ? [{ address, device: device! }] : [];
    },
  );
}

const NEIGHBOUR = /^([0-9a-fA-F.:]{2,45}) dev (\S{1,15}) lladdr ([0-9a-f:]{17})\b/;

/** Parses `ip neigh show`. */
export function parseNeighbours(text: string): HostLook['neighbours'] {
  return text.split('\n').flatMap((line) => {
    const [, written = '', device = '', lladdr = ''] = NEIGHBOUR.exec(line) ?? [];
    return isIp(written) && isMac(lladdr) && DEVICE.test(device)
      ? [{ address: parseIp(written)!, device, mac: mac(lladdr) }]
      : [];
  });
}

export function lookOf(parts: Parts): HostLook {
  return {
    ...parseAddressText(parts.get('addresses') ?? ''),
    gateways: parseGateways(parts.get('routes') ?? ''),
    neighbours: parseNeighbours(parts.get('neighbours') ?? ''),
  };
}
