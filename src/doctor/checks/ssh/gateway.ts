/** The default routes of real servers, seen over SSH: with direct routing, answers do not go through the director. */

import { familyOf } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';

const NAME = 'ssh-gateway';

export const sshGateway: Check = {
  name: NAME,
  about: 'with --ssh: real servers whose default gateway is this director',
  reads: ['network', 'remote'],
  find: ({ remote = [], network }) => {
    const own = new Map((network?.addresses ?? []).map((each) => [each.address, each.interface]));
    return remote.flatMap(({ host, realServers, look }) =>
      look.gateways
        // Link-local addresses are the same on many networks, but those that a host is given by its MAC.
        .filter(({ address }) => realServers.length > 0 && own.has(address) && own.get(address) !== 'lo')
        .map(({ address, device }): Finding => {
          const subject = realServers.find((each) => familyOf(each) === familyOf(address)) ?? realServers[0]!;
          return {
            check: NAME,
            severity: 'warning',
            subject,
            text: `the default gateway of real server ${subject} is this director (${address})`,
            evidence: [`SSH to ${host}: default via ${address} dev ${device}`],
            why:
              'Its answers to clients of other networks come to the director, which forwards them only if the kernel is told ' +
              'to, and then bears the whole traffic: they should go straight to the router.',
            mend: [
              {
                ...{ on: 'real server', host: subject },
                command: `ip ${familyOf(address) === 6 ? '-6 ' : ''}route replace default via ROUTER dev ${device}`,
              },
            ],
          };
        }),
    );
  },
};
