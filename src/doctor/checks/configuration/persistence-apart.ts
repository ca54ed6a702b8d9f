/** HTTP and HTTPS of one VIP that keep clients each for itself. */

import type { Service } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { serversOf } from '../../services.js';

const NAME = 'persistence-apart';

export const persistenceApart: Check = {
  name: NAME,
  about: 'ports 80 and 443 of a VIP, each persistent by itself',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    model.services
      .filter(({ port, protocol, persistence }) => port === 80 && protocol === 'tcp' && persistence !== undefined)
      .flatMap((plain): Finding[] => {
        const secure = model.services.find(
          (each) => each.address === plain.address && each.port === 443 && each.protocol === 'tcp',
        );
        if (secure === undefined || !areApart(plain, secure)) {
          return [];
        }
        const vip = plain.address;
        return [
          {
            ...{ check: NAME, severity: 'note', subject: vip },
            text: `${vip}: ports 80 and 443 keep a client each for itself, perhaps at two real servers`,
            evidence: [plain, secure].map(
              ({ port, scheduler, persistence }) =>
                `${configPath}: port ${port}, scheduler ${scheduler}, persistence ${persistence!.timeout}`,
            ),
            why: 'A client that goes from http to https, with a basket on the real server, finds it empty.',
            mend: [
              {
                on: 'configuration',
                command: `one service by mark for both ports: "marks: [{ mark: 1, match: [{ address: ${vip}, port: 80 }, { address: ${vip}, port: 443 }], persistence: 300, … }]"`,
              },
            ],
          },
        ];
      }),
};

/** With the same real servers, both persistent, and not by a hash that is the same for both. */
function areApart(plain: Service, secure: Service): boolean {
  const byHash = ({ scheduler }: Service): boolean => scheduler === 'sh' || scheduler === 'mh' || scheduler === 'fo';
  const servers = serversOf(plain);
  const others = serversOf(secure);
  return (
    secure.persistence !== undefined &&
    servers.length > 1 &&
    servers.length === others.length &&
    servers.every((each) => others.includes(each)) &&
    !(byHash(plain) && byHash(secure))
  );
}
