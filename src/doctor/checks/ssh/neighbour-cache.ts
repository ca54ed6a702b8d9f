/** Where clients and routers send what is for a VIP: their neighbour caches, seen over SSH. */

import { type IpAddress, type MacAddress, vipsOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import { otherDirectors } from '../../vrrp.js';
import type { Facts, RemoteHost } from '../../facts.js';
import type { Finding } from '../../finding.js';
import { addressesOfRealServers } from '../../probe/targets.js';

const NAME = 'ssh-neighbour-cache';

export const sshNeighbourCache: Check = {
  name: NAME,
  about: 'with --ssh HOST: a client or router that sends what is for a VIP past the director',
  reads: ['network', 'probes', 'remote'],
  find: (facts) =>
    facts.network === undefined
      ? []
      : (facts.remote ?? [])
          .filter(({ realServers }) => realServers.length === 0)
          .flatMap((each) => findingsOf(each, facts)),
};

function findingsOf(remote: RemoteHost, facts: Facts): Finding[] {
  const vips = new Set<IpAddress>(vipsOf(facts.director.model));
  const directors = new Set<MacAddress>([
    ...facts.network!.links.map(({ mac }) => mac),
    ...(facts.probes?.ownMacs ?? []),
    ...otherDirectors(facts),
    ...remote.look.neighbours.flatMap(({ address, mac }) =>
      facts.director.model.directors?.includes(address) === true ? [mac] : [],
    ),
  ]);
  return remote.look.neighbours
    .filter(({ address, mac }) => vips.has(address) && !directors.has(mac))
    .map(({ address, device, mac }): Finding => {
      const server = serverWith(mac, remote, facts);
      const who = server === undefined ? 'no director' : `real server ${server}`;
      return {
        check: NAME,
        severity: 'error',
        subject: address,
        text: `${remote.host} sends what is for the VIP ${address} to ${mac}, which is ${who}`,
        evidence: [`SSH to ${remote.host}: ${address} dev ${device} lladdr ${mac}`],
        why: 'Its packets, and those of all clients behind it, go past the director: past the scheduler, and to nobody once that host is down.',
        mend: [
          ...(server === undefined
            ? []
            : [
                {
                  ...({ on: 'real server', host: server } as const),
                  command: `beeline realserver setup --vip ${address} --persist auto`,
                },
              ]),
          { on: 'client', host: remote.host, command: `ip neigh flush to ${address} dev ${device}` },
        ],
      };
    });
}

/** The real server with a MAC: by the host's own cache, or by what the doctor heard. */
function serverWith(mac: MacAddress, { look }: RemoteHost, { director, probes }: Facts): IpAddress | undefined {
  const servers = addressesOfRealServers(director.model);
  return (
    probes?.realServers.find(({ macs }) => macs.includes(mac))?.address ??
    look.neighbours.find((each) => each.mac === mac && servers.includes(each.address))?.address
  );
}
