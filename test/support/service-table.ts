/** What ipvsadm would list of a model, to compare importers with what the programs themselves ask IPVS for. */

import { allServices, type Model, serviceName } from '../../src/model/index.js';

export interface Row {
  readonly settings: string;
  /** Weight and thresholds by real server. */
  readonly weights: Map<string, readonly [weight: number, upper: number | undefined, lower: number | undefined]>;
}

/** Returns what ipvsadm lists of a model: without health. */
export function tableOf(model: Model): Map<string, Row> {
  return new Map(
    allServices(model).map((service) => {
      const { scheduler, flags, persistence, onePacket, destinations } = service;
      const weights = destinations.map(({ address, weight, upperThreshold, lowerThreshold }) => {
        return [address, [weight, upperThreshold, lowerThreshold]] as const;
      });
      const settings = JSON.stringify({ scheduler, flags, persistence, onePacket });
      return [serviceName(service), { settings, weights: new Map(weights) }];
    }),
  );
}
