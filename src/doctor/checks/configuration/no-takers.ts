/** Services that no real server takes flows of, by the configuration. */

import { allServices, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { hasFallback } from '../../services.js';

const NAME = 'service-without-takers';

export const serviceWithoutTakers: Check = {
  name: NAME,
  about: 'services without real servers, or with weight 0 for all of them, and without a fallback',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    allServices(model)
      .filter((service) => !hasFallback(service) && service.destinations.every(({ weight }) => weight === 0))
      .map((service): Finding => {
        const { destinations, noDestination = 'reject' } = service;
        const name = serviceName(service);
        const isEmpty = destinations.length === 0;
        return {
          check: NAME,
          severity: 'error',
          subject: name,
          text: isEmpty
            ? `${name} has no real server`
            : `${name}: all real servers have weight 0, and take no new flows`,
          evidence: [
            isEmpty
              ? `${configPath}: no real servers`
              : `${configPath}: ${destinations.map(({ address }) => `${address} weight 0`).join(', ')}`,
          ],
          why: `New connections are ${noDestination === 'drop' ? 'dropped' : 'refused'}.`,
          mend: [
            isEmpty
              ? { on: 'director', command: `beeline add ${commandName(name)} REAL-SERVER` }
              : { on: 'director', command: `beeline weight ${commandName(name)} ${destinations[0]!.address} 1` },
          ],
        };
      }),
};

/** A service as commands take it. */
function commandName(name: string): string {
  return `"${name}"`;
}
