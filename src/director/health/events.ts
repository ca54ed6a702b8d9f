/** Turns changes of health into the events that hooks are told (docs/json.md). Pure. */

import type { HealthEventDetails, HealthEventType } from '../../health/index.js';
import { outcomeText, type Transition } from '../../health/rules.js';
import type { Maintenance } from '../maintenance/maintenance.js';
import type { QuorumEvent } from '../overlays/index.js';

export interface Happened {
  readonly type: HealthEventType;
  readonly details: HealthEventDetails;
}

/** @returns undefined: hooks are not told of it */
export function eventOf(transition: Transition): Happened | undefined {
  const { service, address: realServer } = transition;
  switch (transition.kind) {
    case 'server': {
      const { isUp, check, outcome } = transition;
      const reason = `${check}: ${outcomeText(outcome)}`;
      return { type: isUp ? 'real-server-up' : 'real-server-down', details: { service, realServer, check, reason } };
    }
    case 'check': {
      const { isUp, label: check, outcome } = transition;
      const reason = outcomeText(outcome);
      return { type: isUp ? 'check-up' : 'check-down', details: { service, realServer, check, reason } };
    }
    case 'trouble': {
      const { label: check, trouble: reason } = transition;
      const type = reason === undefined ? 'check-trouble-over' : 'check-trouble';
      return { type, details: { service, realServer, check, ...(reason !== undefined && { reason }) } };
    }
    case 'warning': {
      const { label: check, warning: reason } = transition;
      const type = reason === undefined ? 'check-warning-over' : 'check-warning';
      return { type, details: { service, realServer, check, ...(reason !== undefined && { reason }) } };
    }
    case 'advice':
      return undefined;
  }
}

export function quorumEvent({ service, isMet, weight, wanted }: QuorumEvent): Happened {
  return { type: isMet ? 'quorum-met' : 'quorum-lost', details: { service, weight, quorum: wanted } };
}

/** @param until ISO 8601 */
export function maintenanceEvent(
  begins: boolean,
  { service, address: realServer, reason }: Maintenance,
  until: string | undefined,
): Happened {
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
