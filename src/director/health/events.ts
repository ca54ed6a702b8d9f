/** Events of quorum and maintenance, which hooks are told (docs/json.md). Pure. */

import type { EventContent } from '../../health/index.js';
import type { Maintenance } from '../maintenance/maintenance.js';
import type { QuorumEvent } from '../overlays/index.js';

export function quorumEvent({ service, isMet, weight, wanted }: QuorumEvent): EventContent {
  return { type: isMet ? 'quorum-met' : 'quorum-lost', details: { service, weight, quorum: wanted } };
}

/** @param until ISO 8601 */
export function maintenanceEvent(
  begins: boolean,
  { service, address: realServer, reason }: Maintenance,
  until: string | undefined,
): EventContent {
  return {
    type: begins ? 'maintenance-begun' : 'maintenance-over',
    details: {
      ...(service !== undefined && { service }),
      realServer,
      ...(reason !== undefined && { reason }),
      ...(until !== undefined && begins && { until }),
    },
  };
}
