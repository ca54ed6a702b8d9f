/** This kernel's IPVS, and the commands that set up any IPVS director. */

import { existsSync } from 'node:fs';

import { run } from '../../lab/index.js';
import { BeelineError, type IpAddress } from '../../model/index.js';
import { stationMac } from './wire.js';

/** Returns whether this kernel has IPVS. Loads its module if need be. */
export async function kernelHasIpvs(): Promise<boolean> {
  if (existsSync('/proc/net/ip_vs')) {
    return true;
  }
  try {
    await run('modprobe', ['ip_vs']);
  } catch (error) {
    if (error instanceof BeelineError) {
      return false;
    }
    throw error;
  }
  return existsSync('/proc/net/ip_vs');
}

/** Returns the commands of ip and ipvsadm that make a host the director of one UDP service. */
export function ipvsCommands(device: string, vip: IpAddress, realServers: readonly IpAddress[]): string[] {
  return [
    `ip addr add ${vip}/24 dev ${device}`,
    `ip route add 10.1.0.0/16 dev ${device}`,
    ...realServers.map(
      (address, i) => `ip neigh add ${address} lladdr ${stationMac(i + 1)} dev ${device} nud permanent`,
    ),
    `ipvsadm -A -u ${vip}:80 -s wrr`,
    ...realServers.map((address) => `ipvsadm -a -u ${vip}:80 -r ${address}:80 -g -w 1`),
  ];
}

/** Makes this namespace an IPVS director. */
export async function attachIpvs(device: string, vip: IpAddress, realServers: readonly IpAddress[]): Promise<void> {
  for (const command of ipvsCommands(device, vip, realServers)) {
    const [file, ...args] = command.split(' ');
    await run(file!, args);
  }
}
