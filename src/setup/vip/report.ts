/** What `beeline vip list` tells of each VIP: where it is, whose it is, and whether it comes back at a boot. Pure. */

import type { IpAddress } from '../../model/index.js';
import { type Entry, type Facts, isUnicast, originOfFile, prefixOf } from '../../steps/index.js';
import { AUTHOR } from './author.js';
import type { Owners } from './owners.js';

export interface VipReport {
  readonly vip: IpAddress;
  /** The interfaces of this host that have it. */
  readonly places: readonly VipPlace[];
  /**
   * vrrp: a virtual router has it, on its master. beeline: "beeline vip add" added it. static: something else did. none: no
   * interface has it.
   */
  readonly owner: 'vrrp' | 'beeline' | 'static' | 'none';
  /** The virtual router, and the file that names it. */
  readonly router?: string;
  /** The files that name the VIP, and bring it back at a boot. */
  readonly files: readonly string[];
}

export interface VipPlace {
  readonly interface: string;
  readonly prefix: number;
  /** Whether that is the prefix of one address. */
  readonly prefixIsRight: boolean;
  readonly up: boolean;
  /** Whether the kernel found another host that has it. */
  readonly duplicate: boolean;
}

export interface ReportFacts extends Pick<Facts, 'addresses' | 'links'> {
  readonly entries: readonly Entry[];
  readonly owners: Owners;
  /** Files of programs that configure the network, and their texts. */
  readonly files: Readonly<Record<string, string>>;
}

export function reportOf(vip: IpAddress, { addresses, links, entries, owners, files }: ReportFacts): VipReport {
  const places = addresses
    .filter(({ address }) => address === vip)
    .map(({ device, prefix, dad }): VipPlace => ({
      interface: device,
      prefix,
      prefixIsRight: prefix === prefixOf(vip),
      up: links.some((link) => link.device === device && link.up),
      duplicate: dad === 'failed',
    }));
  const isOurs = entries.some(({ step }) => step.kind === 'address' && step.address === vip);
  const router = owners.get(vip);
  const owner =
    router !== undefined ? 'vrrp' : places.length === 0 ? 'none' : isOurs ? ('beeline' as const) : ('static' as const);
  const naming = Object.entries(files)
    .filter(([, text]) => names(text, vip))
    .map(([path]) => path);
  return {
    vip,
    places,
    owner,
    ...(router !== undefined && { router: router.router }),
    files: [...(router === undefined ? [] : [router.file]), ...naming],
  };
}

/** Whether a line that is no comment has the address as a word. */
function names(text: string, vip: IpAddress): boolean {
  return text
    .split('\n')
    .filter((line) => !/^\s*[#;]/.test(line))
    .some((line) => line.split(/[\s"'=,[\]/]+/).includes(vip));
}

/** The addresses that may be VIPs, on a host of which nothing else is known: those that stand for one host alone. */
export function likelyVips({ addresses }: Pick<Facts, 'addresses'>): IpAddress[] {
  const single = addresses.filter(
    ({ address, prefix }) => prefix === prefixOf(address as IpAddress) && isUnicast(address as IpAddress),
  );
  return [...new Set(single.map(({ address }) => address as IpAddress))];
}

/** The files of the record, as they are: those that somebody edited may bring something else back. */
export function ownFiles(entries: readonly Entry[], files: Facts['files']): Record<string, string> {
  return Object.fromEntries(
    entries.flatMap(({ step }) => {
      const text = step.kind === 'file' ? files[step.path] : undefined;
      return step.kind === 'file' && text !== undefined && originOfFile(AUTHOR, text) !== 'foreign'
        ? [[step.path, text] as const]
        : [];
    }),
  );
}
