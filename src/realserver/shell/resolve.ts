/** From what the user asks for to a wish: what is left open is found on the host. */

import { BeelineError, type IpAddress } from '../../model/index.js';
import { parseAddresses, parseRoutes } from '../facts.js';
import { ripFor } from '../pick.js';
import { type Method, needsArp, type VipWish, type Way } from '../wish.js';
import type { Machine } from './host.js';

export interface SetupRequest {
  readonly vips: readonly IpAddress[];
  readonly method: Method;
  readonly ports: readonly number[];
  readonly interfaceName: string | undefined;
}

/** @throws BeelineError `INTERFACE_MISSING`, `USAGE`, `REALSERVER_FAILED`, `REALSERVER_TOOL` */
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

/** nft, or iptables where there is no nft. @throws BeelineError `REALSERVER_TOOL` */
async function redirectTool(host: Machine): Promise<'nft' | 'iptables'> {
  if ((await host.listing('nft', '--version')) !== undefined) {
    return 'nft';
  }
  if ((await host.listing('iptables', '--version')) !== undefined) {
    return 'iptables';
  }
  throw new BeelineError('REALSERVER_TOOL', 'neither nft nor iptables is installed', {
    hint: 'Install the package nftables, or choose another method.',
  });
}

/** Returns what configures this host's network. @throws BeelineError `USAGE` if that cannot be told */
export function wayInUse(host: Machine): Way {
  const ways: readonly (readonly [Way, boolean])[] = [
    ['netplan', host.names('/etc/netplan').some((name) => name.endsWith('.yaml') && !name.includes('beeline'))],
    ['networkmanager', host.exists('/run/NetworkManager')],
    ['systemd-networkd', host.exists('/run/systemd/netif')],
    ['ifupdown', host.exists('/etc/network/interfaces')],
  ];
  const found = ways.find(([, isUsed]) => isUsed)?.[0];
  if (found === undefined) {
    throw new BeelineError('USAGE', 'what configures the network of this host is none that Beeline knows', {
      hint: 'Name it by --persist, or use "beeline realserver script" in what runs at each boot.',
    });
  }
  return found;
}
