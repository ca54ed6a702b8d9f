/** Mends that change an address of this host. */

import { addressOptions } from '../../../steps/index.js';
import type { HostAddress } from '../../facts.js';

/** The command that takes an IPv6 VIP off an interface and adds it anew, as "beeline vip" does: alone, and no source. */
export function addAnew({ interface: name, address, prefixLength }: HostAddress): string {
  const options = addressOptions({ prefix: 128, device: name }).join(' ');
  return `ip -6 addr del ${address}/${prefixLength} dev ${name} && ip -6 addr add ${address}/128 dev ${name} ${options}`;
}
