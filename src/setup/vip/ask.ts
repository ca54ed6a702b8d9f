/** Asks the network whether another host has an address, before this host takes it (RFC 5227, 2.1; RFC 4862, 5.4). */

import { setTimeout as sleep } from 'node:timers/promises';

import type { IpAddress, MacAddress } from '../../model/index.js';
import { type Network, NetlinkError } from '../../net/index.js';

/** So many addresses are asked for at once, and then no more for a time: no more than some 430 requests a second. */
const AT_ONCE = 64;
const PAUSE_MS = 150;
/** How long another host may take to answer. The kernel asks a second time within it. */
const ANSWER_MS = 1_200;
/** How long it may take to forget what was known before. */
const FORGET_MS = 300;
const POLL_MS = 20;

type Neighbours = Pick<Network, 'neighbour' | 'solicit' | 'setNeighbour' | 'links'>;

/** Returns the addresses that other hosts answer for, with the MAC that each answered from. */
export async function takenBy(
  network: Neighbours,
  ifindex: number,
  addresses: readonly IpAddress[],
): Promise<Map<IpAddress, MacAddress>> {
  const asked = await forget(network, ifindex, addresses);
  for (let i = 0; i < asked.length; i += AT_ONCE) {
    if (i > 0) {
      await sleep(PAUSE_MS);
    }
    await network.solicit(asked.slice(i, i + AT_ONCE).map((address) => ({ ifindex, address })));
  }
  const isOpen = (address: IpAddress): boolean => {
    const neighbour = network.neighbour(ifindex, address);
    return neighbour?.mac === undefined && neighbour?.failed !== true;
  };
  await until(() => !asked.some(isOpen), ANSWER_MS);
  const own = new Set(network.links().map(({ mac }) => mac));
  return new Map(
    asked.flatMap((address) => {
      const mac = network.neighbour(ifindex, address)?.mac;
      return mac === undefined || own.has(mac) ? [] : [[address, mac] as const];
    }),
  );
}

/**
 * Makes the kernel forget what it knows of these neighbours: it would not ask again, although the host may be gone. Returns
 * those that can be asked for: not what somebody set by hand.
 */
async function forget(
  network: Neighbours,
  ifindex: number,
  addresses: readonly IpAddress[],
): Promise<readonly IpAddress[]> {
  const entry = (address: IpAddress) => network.neighbour(ifindex, address);
  const askable = addresses.filter((address) => entry(address)?.permanent !== true && entry(address)?.managed !== true);
  for (const address of askable.filter((each) => entry(each) !== undefined)) {
    try {
      await network.setNeighbour(ifindex, address, undefined);
    } catch (error) {
      // It is gone by itself, or the interface is: then nobody answers.
      if (!(error instanceof NetlinkError)) {
        throw error;
      }
    }
  }
  await until(() => !askable.some((address) => entry(address)?.mac !== undefined), FORGET_MS);
  return askable;
}

async function until(holds: () => boolean, atMostMs: number): Promise<void> {
  const end = performance.now() + atMostMs;
  while (!holds() && performance.now() < end) {
    await sleep(POLL_MS);
  }
}
