/** Persistence beside a scheduler that keeps clients by itself. */

import { hashesPort, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { balanced } from '../../services.js';

const NAME = 'persistence-twice';

export const persistenceTwice: Check = {
  name: NAME,
  about: 'persistence under sh or mh, which send each client to one real server anyhow',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    balanced(model)
      .filter(
        (service) =>
          (service.scheduler === 'sh' || service.scheduler === 'mh') &&
          !hashesPort(service) &&
          // With a mask a network is one client, which the hash does not know.
          service.persistence !== undefined &&
          service.persistence.mask === undefined,
      )
      .map((service): Finding => {
        const { scheduler, persistence } = service;
        const name = serviceName(service);
        return {
          ...{ check: NAME, severity: 'note', subject: name },
          text: `${name}: the scheduler ${scheduler} keeps each client at its real server, and so does persistence`,
          evidence: [`${configPath}: scheduler ${scheduler}, persistence ${persistence!.timeout}`],
          why:
            'Persistence costs an entry for each client, is lost at a failover, and keeps clients where they are when real ' +
            'servers are added: few move to the new ones.',
          mend: [
            {
              on: 'configuration',
              command: `leave "persistence" out; or take "scheduler: wlc", if clients are to be spread by load and then kept`,
            },
          ],
        };
      }),
};
