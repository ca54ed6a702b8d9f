/** Services that one host serves alone. */

import { allServices, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { hasFallback } from '../../services.js';
import { listOf } from '../../words.js';

const NAME = 'single-server';

export const singleServer: Check = {
  name: NAME,
  about: 'services with one real server and no fallback',
  reads: [],
  find: ({ director: { model, configPath } }) => {
    const alone = allServices(model).filter(
      (service) => service.destinations.length === 1 && service.destinations[0]!.weight > 0 && !hasFallback(service),
    );
    const [first] = alone;
    if (first === undefined) {
      return [];
    }
    const names = alone.map(serviceName);
    const finding: Finding = {
      check: NAME,
      severity: 'note',
      subject: names[0]!,
      text: `${listOf(names)} ${alone.length === 1 ? 'has one real server' : 'have one real server each'}, and no fallback`,
      evidence: alone
        .slice(0, 4)
        .map((service) => `${configPath}: ${serviceName(service)} has ${service.destinations[0]!.address} alone`),
      why: 'When that real server fails, nobody serves its clients.',
      mend: [{ on: 'director', command: `beeline add "${names[0]!}" ANOTHER-REAL-SERVER` }],
    };
    return [finding];
  },
};
