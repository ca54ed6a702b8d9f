/** Clients and routers whose ARP cache points past the director. */

import type { IpAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, NeighbourProbe } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { announceAgain, whoIs } from '../../who.js';
import { few, listOf, outcomeText } from '../../words.js';

export const neighbourBypassesDirector: Check = {
  name: 'neighbour-bypasses-director',
  about: 'clients and routers that answer this host but not its VIPs: their ARP caches may point past the director',
  reads: ['network', 'probes'],
  find: (facts) => few(facts.probes?.neighbours.flatMap((each) => findingOf(each, facts)) ?? [], 'hosts'),
};

function findingOf({ address, interface: name, mac, ping, byVip }: NeighbourProbe, facts: Facts): Finding[] {
  const lost = byVip.filter((each) => each.ping.kind === 'silent');
  const answered = byVip.filter((each) => each.ping.kind === 'answer');
  const [first] = lost;
  if (ping.kind !== 'answer' || first === undefined) {
    return [];
  }
  const others = othersThatSay(
    lost.map(({ vip }) => vip),
    facts,
  );
  // Without another sign it may be a filter, or a route of that host.
  const isSure = others.length > 0 || answered.length > 0;
  return [
    {
      check: 'neighbour-bypasses-director',
      severity: isSure ? 'error' : 'warning',
      subject: address,
      text:
        `what the host ${address} sends to the VIP${lost.length > 1 ? 's' : ''} ${listOf(lost.map(({ vip }) => vip))} ` +
        `${isSure ? 'goes' : 'may go'} past this director`,
      evidence: [
        `ping from this host's own address on ${name} to ${address} (${mac}): ${outcomeText(ping)}`,
        ...[...lost.slice(0, 2), ...answered.slice(0, 1)].map(
          (each) => `ping from ${each.vip}: ${outcomeText(each.ping)}`,
        ),
        ...others.map((each) => `${each} says that it has the VIP`),
      ],
      why: 'Its ARP cache has another MAC for the VIP, so that its packets go there; or it filters, or has no route to the VIP.',
      mend: [
        ...announceAgain(
          lost.map(({ vip }) => vip),
          facts,
        ),
        { on: 'client', host: address, command: `ip neigh show ${first.vip}; ip neigh flush to ${first.vip}` },
      ],
    },
  ];
}

/** Who else was heard to have one of these VIPs. */
function othersThatSay(vips: readonly IpAddress[], facts: Facts): string[] {
  const { vips: asked = [] } = facts.probes ?? {};
  const macs = asked
    .filter(({ vip }) => vips.includes(vip))
    .flatMap(({ answers }) => answers.map((each) => each.mac ?? each.sourceMac));
  return [...new Set(macs)].map((mac) => whoIs(mac, facts, vips[0]).text);
}
