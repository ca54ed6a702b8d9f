/** Weights that the scheduler does not look at. */

import { type Scheduler, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';
import { balanced } from '../../services.js';

const NAME = 'weights-ignored';

/** The schedulers that know of a weight only whether it is 0, and the one that does the same by weight. */
const INSTEAD: Readonly<Partial<Record<Scheduler, Scheduler>>> = { rr: 'wrr', lc: 'wlc' };

export const weightsIgnored: Check = {
  name: NAME,
  about: 'services with different weights under a scheduler that does not look at them: rr, lc',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    balanced(model).flatMap((service): Finding[] => {
      const { scheduler, destinations } = service;
      const instead = INSTEAD[scheduler];
      const used = destinations.filter(({ weight }) => weight > 0);
      if (instead === undefined || new Set(used.map(({ weight }) => weight)).size < 2) {
        return [];
      }
      const name = serviceName(service);
      return [
        {
          check: NAME,
          severity: 'warning',
          subject: name,
          text: `${name}: the scheduler ${scheduler} ignores the weights, which differ`,
          evidence: [`${configPath}: ${used.map(({ address, weight }) => `${address} weight ${weight}`).join(', ')}`],
          why: `All real servers get the same share: those with a small weight more than they are meant to bear.`,
          mend: [{ on: 'configuration', command: `"scheduler: ${instead}", or the same weight for all` }],
        },
      ];
    }),
};
