/** Applies an edit to a model. */

import { BeelineError } from '../error.js';
import { MAX_TIMEOUT, type Timeouts } from '../flow-settings.js';
import type { Model } from '../model.js';
import { addDestination, changeDestination, deleteDestination } from './destinations.js';
import { addMarkRule, clearMarkRules, deleteMarkRule } from './mark-rules.js';
import { addService, changePolicy, withService } from './services.js';
import type { Edit } from './types.js';

/**
 * Returns the model after an edit. Services that it does not change are the same objects.
 *
 * @throws BeelineError `SERVICE_EXISTS`, `SERVICE_UNKNOWN`, `DESTINATION_EXISTS`, `DESTINATION_UNKNOWN`, `OUT_OF_RANGE`
 *   (a weight, threshold, timeout or mark), `NOT_FOUND` (a mark rule), `EDIT_REFUSED` (IPVS would take it, but Beeline
 *   does not; the hint says what to do)
 */
export function edit(model: Model, change: Edit): Model {
  switch (change.kind) {
    case 'add-service':
      return addService(model, change.service, change.policy);
    case 'edit-service':
      return withService(model, change.service, (service) => changePolicy(service, change.policy));
    case 'delete-service':
      return withService(model, change.service, () => undefined);
    case 'add-destination':
      return withService(model, change.service, (service) => addDestination(model, service, change.destination));
    case 'edit-destination':
      return withService(model, change.service, (service) => changeDestination(service, change.destination));
    case 'delete-destination':
      return withService(model, change.service, (service) => deleteDestination(service, change));
    case 'clear':
      return { ...model, services: [], ...(model.markServices === undefined ? {} : { markServices: [] }) };
    case 'set-timeouts':
      return setTimeouts(model, change.timeouts);
    case 'add-mark-rule':
      return addMarkRule(model, change.rule);
    case 'delete-mark-rule':
      return deleteMarkRule(model, change.rule);
    case 'clear-mark-rules':
      return clearMarkRules(model, change.mark);
  }
}

function setTimeouts(model: Model, timeouts: Partial<Timeouts>): Model {
  for (const [state, seconds] of Object.entries(timeouts)) {
    if (!(Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_TIMEOUT)) {
      throw new BeelineError('OUT_OF_RANGE', `the timeout ${state} must be from 1 to ${MAX_TIMEOUT} seconds`);
    }
  }
  return { ...model, timeouts: { ...model.timeouts, ...timeouts } };
}
