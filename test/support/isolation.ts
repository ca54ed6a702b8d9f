/** Tests that make network interfaces run in a separate network namespace, so that they cannot affect the host. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Fails unless the process started in a separate network namespace, as under scripts/test. */
export function requireOwnNetwork(): void {
  const interfaces = readFileSync('/proc/self/net/dev', 'utf8').match(/^ *[^ ]+:/gm) ?? [];
  const ours = interfaces.filter((name) => !/^ *(lo|test[0-9a-z]*):/.test(name));
  if (ours.length > 0) {
    throw new Error(`this is no network namespace for tests, it has ${ours.join(' ')} Run them by "scripts/test"`);
  }
}

/** Runs `ip` in this process's network and returns its output. */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
}

/** Makes a veth pair in this network, with both ends up. Returns their indices. */
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
