/** Thresholds that take from a real server what its weight gives it. */

import { allServices, serviceName } from '../../../model/index.js';
import type { Check } from '../../check.js';
import type { Finding } from '../../finding.js';

const NAME = 'threshold-mismatch';

export const thresholdMismatch: Check = {
  name: NAME,
  about: 'real servers with a higher weight and a lower upperThreshold than another one',
  reads: [],
  find: ({ director: { model, configPath } }) =>
    allServices(model).flatMap((service): Finding[] => {
      const limited = service.destinations.flatMap(({ address, weight, upperThreshold }) =>
        weight > 0 && upperThreshold !== undefined ? [{ address, weight, upper: upperThreshold }] : [],
      );
      const pair = limited
        .map((heavy) => ({
          heavy,
          light: limited.find((each) => each.weight < heavy.weight && each.upper > heavy.upper),
        }))
        .find(({ light }) => light !== undefined);
      if (pair?.light === undefined) {
        return [];
      }
      const { heavy, light } = pair;
      const name = serviceName(service);
      return [
        {
          check: NAME,
          severity: 'warning',
          subject: name,
          text: `${name}: ${heavy.address} has a higher weight than ${light.address}, and may have fewer flows`,
          evidence: [heavy, light].map(
            ({ address, weight, upper }) => `${configPath}: ${address} weight ${weight}, upperThreshold ${upper}`,
          ),
          why: 'Under load the thresholds decide in place of the weights: the larger real server turns flows away while the smaller one fills.',
          mend: [{ on: 'configuration', command: 'give the thresholds the same proportions as the weights' }],
        },
      ];
    }),
};
