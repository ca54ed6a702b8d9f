/** Report of what packets follow, for a comparison with another director. */

import { hostname } from 'node:os';

import { type CompiledService, forwardedBy } from '../../image/index.js';
import { type Forwarded, type Model, timeoutsOf } from '../../model/index.js';

export function reportForwarded(version: string, model: Model, services: readonly CompiledService[]): Forwarded {
  return {
    host: hostname(),
    version,
    timeouts: timeoutsOf(model),
    markRules: model.markRules ?? [],
    services: services.map(forwardedBy),
  };
}
