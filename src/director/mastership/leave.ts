/** Giving mastership up on purpose: waits until keepalived took the VIPs off this host, and finds who has them then. */

import { setTimeout as sleep } from 'node:timers/promises';

import { BeelineError, type IpAddress, type MacAddress, type VirtualRouter } from '../../model/index.js';
import { type Network, NetlinkError } from '../../net/index.js';

/** How long keepalived may take to remove the VIPs: it needs some 20 ms, and more on a busy machine. */
const LEAVE_MS = 2_000;
/** Beside one interval of advertisements, how long another director may take to answer for the VIPs. */
const TAKEOVER_MS = 1_000;
/** Clients hear of the new owner by its gratuitous ARP; packets that are under way are forwarded so long. */
const UNDER_WAY_MS = 100;
const STEP_MS = 20;
/** How often it is asked who has a VIP. */
const ASK_MS = 200;

export type VipsView = Pick<Network, 'linksByAddress' | 'link' | 'neighbour' | 'solicit' | 'setNeighbour'>;

/** Where a VIP is after mastership was given up. */
export interface LeftVip {
  readonly address: IpAddress;
  /** The name of its virtual router. */
  readonly router: string;
  /** It is still on this host. */
  readonly here: boolean;
  /** The MAC that answers for it; undefined: nobody does. */
  readonly owner?: MacAddress | undefined;
}

type Wanted = Pick<VirtualRouter, 'name' | 'interface' | 'addresses' | 'interval'>;

/** Call it once keepalived was told. Takes at most as long as another director may take to take over. */
export async function leaveVips(network: VipsView, routers: readonly Wanted[]): Promise<LeftVip[]> {
  const vips = routers.flatMap(({ name, interface: device, addresses }) =>
    addresses.map((address) => ({ address, router: name, device })),
  );
  await until(LEAVE_MS, () => vips.every(({ address }) => !isHere(network, address)));
  const gone = vips.flatMap((vip) => {
    const ifindex = network.link(vip.device)?.ifindex;
    return ifindex === undefined || isHere(network, vip.address) ? [] : [{ ifindex, address: vip.address }];
  });
  // What was known of them is of before.
  let unknown = gone;
  const ownerOf = (ifindex: number, address: IpAddress): MacAddress | undefined =>
    network.neighbour(ifindex, address)?.mac;
  const intervalMs = Math.max(0, ...routers.map(({ interval }) => interval)) * 1000;
  let askedAt = -Infinity;
  await until(intervalMs + TAKEOVER_MS, async () => {
    if (askedAt > -Infinity) {
      unknown = gone.filter(({ ifindex, address }) => ownerOf(ifindex, address) === undefined);
    }
    if (unknown.length > 0 && performance.now() - askedAt >= ASK_MS) {
      askedAt = performance.now();
      // While an entry waits for an answer, the kernel asks again after a second alone.
      for (const { ifindex, address } of unknown) {
        await network.setNeighbour(ifindex, address, undefined).catch(ignoreRefusal);
      }
      await network.solicit(unknown);
    }
    return unknown.length === 0;
  });
  if (gone.length > 0) {
    await sleep(UNDER_WAY_MS);
  }
  return vips.map(({ address, router, device }) => {
    const ifindex = network.link(device)?.ifindex;
    const here = isHere(network, address);
    const owner = ifindex === undefined || here ? undefined : ownerOf(ifindex, address);
    return { address, router, here, ...(owner !== undefined && { owner }) };
  });
}

/** Whether every VIP is on another host. */
export function areTaken(vips: readonly LeftVip[]): boolean {
  return vips.every(({ here, owner }) => !here && owner !== undefined);
}

/** "192.168.1.100 is on this host still, nobody answers for fd00::100" */
export function lackText(vips: readonly LeftVip[]): string {
  return vips
    .flatMap(({ address, here, owner }) => {
      const lack = here ? `${address} is on this host still` : `nobody answers for ${address}`;
      return owner === undefined ? [lack] : [];
    })
    .join(', ');
}

/** Says why the program stays where it is. */
export function nobodyTookOver(vips: readonly LeftVip[]): BeelineError {
  return new BeelineError('NOBODY_TOOK_OVER', `no other director took over: ${lackText(vips)}`, {
    hint: 'Nothing was changed. See whether the other director runs and may be master ("beeline status" there), or use --force.',
  });
}

export function isHere(network: Pick<Network, 'linksByAddress'>, address: IpAddress): boolean {
  return network.linksByAddress().has(address);
}

async function until(timeoutMs: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds()) && performance.now() < deadline) {
    await sleep(STEP_MS);
  }
}

/** The kernel knows nothing of an address that nobody asked for. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof NetlinkError)) {
    throw error;
  }
}
