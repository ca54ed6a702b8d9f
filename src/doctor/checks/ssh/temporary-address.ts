/** Real servers that are configured by an address that goes: a temporary one of IPv6 (RFC 8981), seen over SSH. */

import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';

const NAME = 'ssh-temporary-address';

export const sshTemporaryAddress: Check = {
  name: NAME,
  about: 'with --ssh: real servers that are configured by a temporary address of IPv6',
  reads: ['remote'],
  find: ({ remote = [] }) =>
    remote.flatMap(({ host, realServers, look }) =>
      look.addresses
        .filter(({ address, flags }) => realServers.includes(address) && flags.includes('temporary'))
        .map(({ address, device, prefix }): Finding => ({
          check: NAME,
          severity: 'warning',
          subject: address,
          text: `${address} is a temporary address of the real server, which has another one tomorrow`,
          evidence: [`SSH to ${host}: ${address}/${prefix} on ${device}, "temporary"`],
          why: 'The director finds the real server by this address: as soon as it changes, the real server gets nothing.',
          mend: [
            { on: 'configuration', command: `name the real server by an address that stays, instead of ${address}` },
            { on: 'real server', host: address, command: `sysctl -w net.ipv6.conf.${device}.use_tempaddr=0` },
          ],
        })),
    ),
};
