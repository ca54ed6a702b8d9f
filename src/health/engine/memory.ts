/** What is known of real servers that a model has no more: one that is refused, or taken back, loses nothing. */

import type { IpAddress } from '../../model/index.js';
import type { KeptServer } from './kept.js';
import { REMEMBERED_MS, type Server } from './servers.js';

/** Those that left last. */
const MOST = 20_000;

export interface Left {
  readonly server: Server;
  readonly at: number;
}

export class Memory {
  /** By service and address, the oldest first. */
  readonly #left = new Map<string, Left>();
  /** What the last daemon knew, and nobody has asked for. */
  #kept: Map<string, KeptServer> | undefined;
  #keptSince = Infinity;

  constructor(kept: Map<string, KeptServer> | undefined) {
    this.#kept = kept;
  }

  add(left: Left): void {
    const key = keyOf(left.server.service, left.server.address);
    this.#left.delete(key);
    this.#left.set(key, left);
  }

  /** Returns what is known of a real server, and forgets it. */
  take(service: string, address: IpAddress, now: number): { left?: Left | undefined; kept?: KeptServer | undefined } {
    if (this.#left.size === 0 && this.#kept === undefined) {
      return {};
    }
    const key = keyOf(service, address);
    const [left, kept] = [this.#left.get(key), this.#kept?.get(key)];
    this.#left.delete(key);
    this.#kept?.delete(key);
    return {
      left: left !== undefined && now - left.at < REMEMBERED_MS ? left : undefined,
      kept: now - this.#keptSince < REMEMBERED_MS || this.#keptSince === Infinity ? kept : undefined,
    };
  }

  /** To call after each model with checks: what is too old, or too much, goes. No timer is needed for that. */
  forget(now: number): void {
    this.#keptSince = Math.min(this.#keptSince, now);
    if (now - this.#keptSince >= REMEMBERED_MS) {
      this.#kept = undefined;
    }
    for (const [key, { at }] of this.#left) {
      if (now - at < REMEMBERED_MS && this.#left.size <= MOST) {
        return;
      }
      this.#left.delete(key);
    }
  }
}

function keyOf(service: string, address: IpAddress): string {
  return `${service} ${address}`;
}
