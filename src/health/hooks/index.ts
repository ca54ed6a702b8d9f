/** Who is told of changes of health, and what. */

export {
  EVENT_VERSION,
  HEALTH_EVENTS,
  type HealthEvent,
  healthEvent,
  type HealthEventDetails,
  type HealthEventType,
} from './event.js';
export { Hooks, type HooksOptions } from './hooks.js';
export { contentOf, type EventContent } from './of-transition.js';
