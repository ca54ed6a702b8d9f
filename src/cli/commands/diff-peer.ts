/** `beeline diff --peer`: compares what packets follow with another director. */

import type { Command } from 'commander';

import { BeelineError, type Difference, diffForwarded, type Forwarded } from '../../model/index.js';
import { ask } from '../daemon.js';
import { ExitStatus } from '../exit-status.js';
import { askPeer, type PeerOptions, requireDone } from '../peer.js';
import type { Paint } from '../terminal/colour.js';
import { formatDifferences, summarize } from '../terminal/differences.js';
import { formatCount } from '../terminal/format.js';
import { printResult } from '../terminal/print.js';

export interface PeerDiffResult {
  /** The name of the other director's host. */
  readonly peer: string;
  /** From the other director to this one. */
  readonly differences: readonly Difference[];
  /** How many this director has. */
  readonly services: number;
  /** Present if they differ. */
  readonly versions?: { readonly here: string; readonly there: string };
  /** Why real servers that differ do not take what the configuration says. */
  readonly reasons: readonly PeerReason[];
}

export interface PeerReason {
  readonly host: string;
  /** With its service: "tcp 192.168.1.100:80 192.168.1.31". */
  readonly realServer: string;
  readonly reason: string;
}

interface Options extends PeerOptions {
  readonly json?: true;
}

/** @throws BeelineError `USAGE`, `PEER_FAILED`, and what `ask` throws */
export async function comparePeer(
  peer: string,
  file: string | undefined,
  options: Options,
  command: Command,
): Promise<void> {
  if (file !== undefined) {
    throw new BeelineError('USAGE', 'a file and --peer are two comparisons', { hint: 'Leave one of them out.' });
  }
  const here = await ask(command, 'forwarded', {});
  const there = await forwardedByPeer(peer, options);
  const differences = diffForwarded(there, here);
  const result: PeerDiffResult = {
    peer: there.host,
    differences,
    services: here.services.length,
    ...(there.version === here.version ? {} : { versions: { here: here.version, there: there.version } }),
    reasons: reasonsOf(differences, there, here),
  };
  printResult(result, options, (paint) => formatPeerDiff(result, paint));
  process.exitCode = result.differences.length === 0 ? ExitStatus.ok : ExitStatus.changes;
}

/** @throws BeelineError `PEER_FAILED` */
async function forwardedByPeer(host: string, options: Options): Promise<Forwarded> {
  const answer = await askPeer(host, ['fingerprint', '--json'], options);
  requireDone(host, answer, [ExitStatus.ok]);
  try {
    const { services, timeouts, ...rest } = JSON.parse(answer.output) as Forwarded;
    if (Array.isArray(services) && typeof timeouts === 'object') {
      return { ...rest, services, timeouts };
    }
  } catch {
    // As what follows.
  }
  throw new BeelineError('PEER_FAILED', `${host}: "beeline fingerprint --json" printed something else`, {
    hint: 'Its version may be another one.',
  });
}

/** Why real servers differ, as each director says it. */
function reasonsOf(differences: readonly Difference[], there: Forwarded, here: Forwarded): PeerReason[] {
  const reasons = ({ services }: Forwarded): Map<string, string> =>
    new Map(
      services.flatMap(({ service, realServers }) =>
        realServers.flatMap(({ address, reason }) =>
          reason === undefined ? [] : [[`${service} ${address}`, reason] as const],
        ),
      ),
    );
  const [theirs, ours] = [reasons(there), reasons(here)];
  const keys = new Set(
    differences.flatMap(({ service, realServer }) =>
      service === undefined || realServer === undefined ? [] : [`${service} ${realServer}`],
    ),
  );
  return [...keys].flatMap((key) => [
    ...(ours.has(key) ? [{ host: here.host, realServer: key, reason: ours.get(key)! }] : []),
    ...(theirs.has(key) ? [{ host: there.host, realServer: key, reason: theirs.get(key)! }] : []),
  ]);
}

export function formatPeerDiff(
  { peer, differences, services, versions, reasons }: PeerDiffResult,
  paint?: Paint,
): string {
  const other = versions === undefined ? '' : `note: this is Beeline ${versions.here}, ${peer} has ${versions.there}\n`;
  if (differences.length === 0) {
    return `${other}${peer} forwards ${services === 1 ? 'the service' : `all ${formatCount(services)} services`} as this director does\n`;
  }
  const why = reasons.map(({ host, realServer, reason }) => `  on ${host}, ${realServer}: ${reason}\n`).join('');
  return `${other}${formatDifferences(differences, paint)}${why}${peer} forwards otherwise: ${summarize(differences)}\n`;
}
