/** From what the user asks for to a wish: what is left open is found on the host. */

import { BeelineError, type IpAddress } from '../../model/index.js';
import { type Machine, parseAddresses, parseRoutes } from '../../steps/index.js';
import { ripFor } from '../pick.js';
import { type Method, needsArp, type VipWish } from '../wish.js';

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
