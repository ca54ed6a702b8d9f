/** Gathers everything that the checks look at. What cannot be read is told, and keeps nothing else from being read. */

import { Network } from '../../net/index.js';
import { type Part, PARTS } from '../check.js';
import type { DirectorFacts, Facts } from '../facts.js';
import type { FirewallFacts } from '../facts-host.js';
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
  /** What the checks read that are to be made; default: everything. */
  readonly parts?: ReadonlySet<Part> | undefined;
  /** Reads the counters of services again. Undefined: there are none. */
  readonly countAgain?: (() => Promise<DirectorFacts['services']>) | undefined;
}

export async function gather(director: DirectorFacts, options: GatherOptions): Promise<Facts> {
  const { passive, listenMs, ssh, countAgain, parts = new Set(PARTS) } = options;
  const notLookedAt: { what: string; why: string }[] = [];
  /** Reads one part, if it is wanted. */
  const part = async <Result>(
    isWanted: boolean,
    what: string,
    read: () => Promise<Result> | Result,
  ): Promise<Result | undefined> => {
    try {
      return isWanted ? await read() : undefined;
    } catch (error) {
      notLookedAt.push({ what, why: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
  const { model } = director;
  const asks = parts.has('probes');
  using kernel = await Network.open(() => undefined);
  const network = await part(asks || parts.has('network'), 'links, addresses and routes', () =>
    gatherNetwork(kernel, model),
  );
  const host = await part(parts.has('host'), 'settings of this host', () => gatherHost(director));
  const cards = await part(parts.has('cards'), 'network cards', () => gatherCards(kernel, model));
  const firewall = await part(parts.has('firewall'), 'the firewall', () => gatherFirewall());
  notLookedAt.push(...unlisted(firewall));
  if (passive && asks) {
    notLookedAt.push({ what: 'what other hosts answer', why: '--passive sends nothing' });
  }
  const probed =
    network === undefined
      ? undefined
      : await part(asks && !passive, 'what other hosts answer', () => gatherProbes(kernel, model, network, listenMs));
  const servicesAfter = await part(probed !== undefined, 'counters of services', () => countAgain?.());
  // Not meanwhile: what it costs would make answers late.
  const asked =
    ssh === undefined ? undefined : await part(parts.has('remote'), 'hosts over SSH', () => gatherRemote(model, ssh));
  return {
    director: { ...director, servicesAfter },
    network,
    ...{ host, cards, firewall },
    probes: probed?.probes,
    remote: asked?.remote,
    isIncomplete: asks && !passive && probed === undefined,
    notLookedAt: [...notLookedAt, ...(probed?.notLookedAt ?? []), ...(asked?.notLookedAt ?? [])],
  };
}

function unlisted(firewall: FirewallFacts | undefined): Facts['notLookedAt'] {
  const { olderTables = [] } = firewall ?? {};
  const why = 'nft does not list what iptables-legacy and arptables-legacy made';
  return olderTables.length === 0 ? [] : [{ what: `rules of the firewall: ${olderTables.join(', ')}`, why }];
}
