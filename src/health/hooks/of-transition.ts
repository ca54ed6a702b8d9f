/** From what the checker tells to the event that hooks hear. Pure. */

import type { Transition } from '../engine/events.js';
import { outcomeText } from '../outcome.js';
import { adviceText } from '../slow/advice-words.js';
import type { HealthEventDetails, HealthEventType } from './event.js';

export interface EventContent {
  readonly type: HealthEventType;
  readonly details: HealthEventDetails;
}

/** Returns what healthEvent() makes an event of. */
export function contentOf(transition: Transition): EventContent {
  const { service, address: realServer } = transition;
  const content = (type: HealthEventType, check: string | undefined, reason: string | undefined): EventContent => ({
    type,
    details: { service, realServer, ...(check !== undefined && { check }), ...(reason !== undefined && { reason }) },
  });
  switch (transition.kind) {
    case 'server': {
      const { isUp, check } = transition;
      const reason = transition.reason ?? `${transition.check}: ${outcomeText(transition.outcome)}`;
      return content(isUp ? 'real-server-up' : 'real-server-down', check, reason);
    }
    case 'check': {
      const { isUp, label, outcome } = transition;
      return content(isUp ? 'check-up' : 'check-down', label, outcomeText(outcome));
    }
    case 'check-removed':
      return content('check-removed', transition.label, undefined);
    case 'server-removed':
      return content('real-server-removed', undefined, undefined);
    case 'trouble': {
      const { trouble, label } = transition;
      return content(trouble === undefined ? 'check-trouble-over' : 'check-trouble', label, trouble);
    }
    case 'warning': {
      const { warning, label } = transition;
      return content(warning === undefined ? 'check-warning-over' : 'check-warning', label, warning);
    }
    case 'advice': {
      const { advice, label } = transition;
      return content('advice-changed', label, advice === undefined ? 'none' : adviceText(advice));
    }
  }
}
