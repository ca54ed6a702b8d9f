/** Which address of the host stands for a VIP in ARP requests. Pure. */

import { BeelineError, type IpAddress, isInNetwork, parseIp } from '../model/index.js';
import type { Facts } from '../steps/index.js';

/**
 * Returns the real server's own address: on the interface whose network has the VIP, else on that of the default route.
 *
 * @param wanted the interface that the user named
 * @param standard the interface of the default route
 * @throws BeelineError `INTERFACE_MISSING`, `USAGE`
 */
export function ripFor(
  vip: IpAddress,
  { links, addresses }: Pick<Facts, 'links' | 'addresses'>,
  wanted: string | undefined,
  standard: string | undefined,
): IpAddress {
  if (wanted !== undefined && !links.some(({ device }) => device === wanted)) {
    throw new BeelineError('INTERFACE_MISSING', `there is no interface ${wanted}`, {
      hint: `This host has ${links.map(({ device }) => device).join(', ')}.`,
    });
  }
  const own = addresses.filter(
    ({ address, device }) =>
      device !== 'lo' && address !== vip && parseIp(address) !== undefined && !address.includes(':'),
  );
  const found =
    wanted === undefined
      ? (own.find(({ address, prefix }) => prefix < 32 && isInNetwork(vip, address as IpAddress, prefix)) ??
        own.find(({ device }) => device === standard))
      : own.find(({ device }) => device === wanted);
  if (found === undefined) {
    throw new BeelineError(
      'USAGE',
      wanted === undefined
        ? `no interface of this host is in the network of ${vip}, and there is no default route`
        : `${wanted} has no IPv4 address`,
      { hint: 'Name the interface to the director by --interface; it needs an IPv4 address besides the VIP.' },
    );
  }
  return found.address as IpAddress;
}
