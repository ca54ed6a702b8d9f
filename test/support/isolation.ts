/** Tests that make network interfaces run in a network namespace of their own: nothing they do can reach the host. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Fails unless the process began alone in its network: scripts/test sees to that. */
export function requireOwnNetwork(): void {
  const interfaces = readFileSync('/proc/self/net/dev', 'utf8').match(/^ *[^ ]+:/gm) ?? [];
  const ours = interfaces.filter((name) => !/^ *(lo|test[0-9a-z]*):/.test(name));
  if (ours.length > 0) {
    throw new Error(`this is no network namespace for tests, it has ${ours.join(' ')} Run them by "scripts/test"`);
  }
}

/** Runs `ip` in this process's network and returns what it printed. */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
}

/** A cable between two interfaces of this network, both up. Returns their indices. */
export function makeVeth(name: string, peer: string): { ifindex: number; peerIfindex: number } {
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', peer);
  ip('link', 'set', name, 'up');
  ip('link', 'set', peer, 'up');
  return { ifindex: ifindexOf(name), peerIfindex: ifindexOf(peer) };
}

function ifindexOf(name: string): number {
  const [link] = JSON.parse(ip('-j', 'link', 'show', name)) as { ifindex: number }[];
  return link!.ifindex;
}
