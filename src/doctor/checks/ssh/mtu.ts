/** The MTUs of director and real servers, seen over SSH. */

import { type IpAddress } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Facts, RemoteHost } from '../../facts.js';
import type { Finding } from '../../finding.js';

const NAME = 'ssh-mtu';

export const sshMtu: Check = {
  name: NAME,
  about: "with --ssh: real servers whose MTU is not that of the director's interface to them",
  reads: ['network', 'remote'],
  find: ({ remote = [], network }) =>
    network === undefined ? [] : remote.flatMap((each) => findingsOf(each, network)),
};

function findingsOf({ host, look, realServers }: RemoteHost, network: NonNullable<Facts['network']>): Finding[] {
  // One finding for each interface there, whatever the number of its addresses.
  const seen = new Set<string>();
  return realServers.flatMap((address): Finding[] => {
    const device = look.addresses.find((each) => each.address === address)?.device;
    const there = look.links.find((each) => each.device === device);
    const here = linkTo(address, network);
    if (there === undefined || here === undefined || there.mtu === here.mtu || seen.has(there.device)) {
      return [];
    }
    seen.add(there.device);
    const isSmaller = there.mtu < here.mtu;
    return [
      {
        check: NAME,
        severity: 'warning',
        subject: address,
        text: `real server ${address} has an MTU of ${there.mtu} on ${there.device}, and the director ${here.mtu} on ${here.name}`,
        evidence: [`SSH to ${host}: ${there.device} mtu ${there.mtu}`, `${here.name} of this host: mtu ${here.mtu}`],
        why: isSmaller
          ? 'The director forwards packets that are too long for the real server, which drops them: small requests work, and uploads hang.'
          : 'The real server tells clients to send longer segments than pass the director: small requests work, and uploads hang.',
        mend: [
          {
            ...{ on: 'real server', host: address },
            command: `ip link set dev ${there.device} mtu ${here.mtu}`,
          },
        ],
      },
    ];
  });
}

function linkTo(
  address: IpAddress,
  { links, routes }: NonNullable<Facts['network']>,
): { readonly name: string; readonly mtu: number } | undefined {
  const route = routes.get(address);
  return route?.kind === 'unicast' && route.gateway === undefined
    ? links.find(({ name }) => name === route.interface)
    : undefined;
}
