/** Services of all ports that send each connection of a client to another real server. */

import { isMarkKey, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { balanced, keepsClients } from '../../services.js';

const NAME = 'all-ports-apart';

export const allPortsApart: Check = {
  name: NAME,
  about: 'services of all ports (port 0) without persistence',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    balanced(model).flatMap((service): Finding[] => {
      if (isMarkKey(service) || service.port !== 0 || keepsClients(service)) {
        return [];
      }
      const name = serviceName(service);
      return [
        {
          ...{ check: NAME, severity: 'warning', subject: name },
          text: `${name}: all ports, and the connections of one client go to several real servers`,
          evidence: [`${configPath}: port 0, scheduler ${service.scheduler}, no persistence`],
          why:
            'Applications that use several ports, such as passive FTP, find the second connection at a real server that ' +
            'knows nothing of the first. ipvsadm refuses such a service.',
          mend: [{ on: 'configuration', command: '"persistence: 300", or "scheduler: sh"' }],
        },
      ];
    }),
};
