/** Gathers everything that the checks look at. What cannot be read is told, and keeps nothing else from being read. */

import { Network } from '../../net/index.js';
import type { DirectorFacts, Facts } from '../facts.js';
import { gatherCards } from './cards.js';
import { gatherFirewall } from './firewall.js';
import { gatherHost } from './host.js';
import { gatherNetwork } from './network.js';
import { gatherProbes } from './probes.js';
import { gatherRemote, type SshRequest } from './remote.js';

export interface GatherOptions {
  /** Send nothing: only look at this host. */
  readonly passive: boolean;
  /** The shortest time to listen to the network, in milliseconds. */
  readonly listenMs: number;
  /** Undefined: nobody is asked over SSH. */
  readonly ssh?: SshRequest | undefined;
}

export async function gather(director: DirectorFacts, { passive, listenMs, ssh }: GatherOptions): Promise<Facts> {
  const notLookedAt: { what: string; why: string }[] = [];
  /** Reads one part. */
  const part = async <Part>(what: string, read: () => Promise<Part> | Part): Promise<Part | undefined> => {
    try {
      return await read();
    } catch (error) {
      notLookedAt.push({ what, why: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
  const { model } = director;
  using kernel = await Network.open(() => undefined);
  const network = await part('links, addresses and routes', () => gatherNetwork(kernel, model));
  const host = await part('settings of this host', () => gatherHost(director));
  const cards = await part('network cards', () => gatherCards(kernel, model));
  const firewall = await part('the firewall', () => gatherFirewall());
  if (firewall?.olderTables !== undefined && firewall.olderTables.length > 0) {
    const why = 'nft does not list what iptables-legacy and arptables-legacy made';
    notLookedAt.push({ what: `rules of the firewall: ${firewall.olderTables.join(', ')}`, why });
  }
  const probed =
    network === undefined || passive
      ? undefined
      : await part('what other hosts answer', () => gatherProbes(kernel, model, network, listenMs));
  if (passive) {
    notLookedAt.push({ what: 'what other hosts answer', why: '--passive sends nothing' });
  }
  // Not meanwhile: what it costs would make answers late.
  const asked = ssh === undefined ? undefined : await part('hosts over SSH', () => gatherRemote(model, ssh));
  return {
    director,
    network,
    ...{ host, cards, firewall },
    probes: probed?.probes,
    remote: asked?.remote,
    notLookedAt: [...notLookedAt, ...(probed?.notLookedAt ?? []), ...(asked?.notLookedAt ?? [])],
  };
}
