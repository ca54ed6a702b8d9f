/** From what the user asks for to a wish: what is left open is found on the host. */

import { BeelineError, type IpAddress } from '../../model/index.js';
import {
  type Machine,
  noteOnWay,
  parseAddresses,
  parseRoutes,
  placeFor,
  requireLoopbackProfiles,
  wayInUse,
} from '../../steps/index.js';
import { AUTHOR } from '../author.js';
import { SCRIPT_FILE } from '../persist.js';
import { ripFor } from '../pick.js';
import { type Method, needsArp, type VipWish, type Way, type Wish, withVips } from '../wish.js';

export interface SetupRequest {
  readonly vips: readonly IpAddress[];
  readonly method: Method;
  readonly ports: readonly number[];
  readonly interfaceName: string | undefined;
}

/** @throws BeelineError `INTERFACE_MISSING`, `USAGE`, `HOST_FAILED`, `HOST_TOOL` */
export async function wishesFor(host: Machine, request: SetupRequest): Promise<VipWish[]> {
  const { vips, method, ports, interfaceName } = request;
  const [addresses, routes] = await Promise.all([
    host.run({ file: 'ip', args: ['-j', 'address', 'show'] }),
    host.listing('ip', '-j', '-4', 'route', 'show', 'default'),
  ]);
  const facts = parseAddresses(addresses);
  const [standard] = parseRoutes(routes ?? '');
  const redirect = method === 'redirect' ? { tool: await redirectTool(host) } : {};
  return vips.map((vip) => {
    const wish: VipWish = { vip, method, ports, ...redirect };
    const asks = needsArp(wish) && method !== 'sysctl';
    return asks ? { ...wish, rip: ripFor(vip, facts, interfaceName, standard?.dev) } : wish;
  });
}

/**
 * Returns what this host shall be: with these VIPs, and what brings all of them back at a boot.
 *
 * @param persist undefined: as before
 * @throws BeelineError `USAGE` if that cannot have lo, or what configures the network cannot be told
 */
export async function wishOf(
  host: Machine,
  before: Wish,
  vips: readonly VipWish[],
  persist: Way | 'auto' | undefined,
): Promise<Wish> {
  const lo = { device: 'lo', ifindex: LO_IFINDEX, fileName: AUTHOR.fileName };
  const way = persist === 'auto' ? await wayInUse(host, lo) : persist;
  const wish = withVips(before, vips, way, (of) => placeFor(host, { ...lo, way: of }));
  if (wish.place?.way === 'networkmanager') {
    await requireLoopbackProfiles(host);
  }
  return wish;
}

/** Returns why the program that should read the files of a wish does not; undefined: it does. */
export function unreadBy(host: Machine, { place }: Wish): string | undefined {
  return place === undefined ? undefined : noteOnWay(host, place.way);
}

/** Returns what people should know of the next boot beside the steps. */
export function notesOnBoot(host: Machine, wish: Wish): string[] {
  const hasRules = wish.vips.some((each) => each.method === 'redirect' || (needsArp(each) && each.method !== 'sysctl'));
  const isManual = hasRules && wish.persist !== undefined && !host.exists('/run/systemd/system');
  return [
    ...[unreadBy(host, wish) ?? []].flat(),
    ...(isManual ? [`systemd does not run on this host: let it run ${SCRIPT_FILE} at each boot`] : []),
  ];
}

/** The loopback interface is the first of every network namespace (the kernel's LOOPBACK_IFINDEX). */
const LO_IFINDEX = 1;

/** nft, or iptables where there is no nft. @throws BeelineError `HOST_TOOL` */
async function redirectTool(host: Machine): Promise<'nft' | 'iptables'> {
  if ((await host.listing('nft', '--version')) !== undefined) {
    return 'nft';
  }
  if ((await host.listing('iptables', '--version')) !== undefined) {
    return 'iptables';
  }
  throw new BeelineError('HOST_TOOL', 'neither nft nor iptables is installed', {
    hint: 'Install the package nftables, or choose another method.',
  });
}
