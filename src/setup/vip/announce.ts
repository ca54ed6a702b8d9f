/** Tells the network that this host has addresses, so that neighbours who remember another host for them forget it at once. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { IpAddress, MacAddress } from '../../model/index.js';
import { KernelError, PacketSocket } from '../../native/index.js';
import { announcement } from '../../packet/index.js';

/** Frames get lost: each address is told of so often (RFC 5227 says twice). */
export const TIMES = 3;
const BETWEEN_MS = 200;
/** So many frames at once, and then none for a time: some 400 a second. */
const AT_ONCE = 40;
const PAUSE_MS = 100;

export interface Announced {
  readonly vip: IpAddress;
  readonly ifindex: number;
  readonly mac: MacAddress;
  /** Whether the host forwards IPv6 by that interface. */
  readonly isRouter: boolean;
}

/** Returns why some could not be told of; undefined: all were sent. */
export async function announce(all: readonly Announced[]): Promise<string | undefined> {
  const frames = all.map(({ vip, mac, isRouter, ifindex }) => ({ ifindex, frame: announcement(vip, mac, isRouter) }));
  try {
    using socket = new PacketSocket();
    for (let time = 0; time < TIMES; time += 1) {
      for (const [i, { ifindex, frame }] of frames.entries()) {
        if (i > 0 && i % AT_ONCE === 0) {
          await sleep(PAUSE_MS);
        }
        socket.send(ifindex, frame);
      }
      if (time < TIMES - 1) {
        await sleep(BETWEEN_MS);
      }
    }
    return undefined;
  } catch (error) {
    // The addresses are there, and neighbours learn them when they next ask.
    if (error instanceof KernelError) {
      return error.message;
    }
    throw error;
  }
}
