/** Changes of a running director's services, one at a time: what ipvsadm's commands ask for. Pure. */

import type { Destination, MarkKey, MarkRule, Model, ServiceKey, ServicePolicy, Timeouts } from './service.js';

/** Which service an edit is about. */
export type EditKey = ServiceKey | MarkKey;

/** What ipvsadm says of a service; all else that Beeline knows of it stays as it is. */
export type EditPolicy = Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'>;

/** What ipvsadm says of a destination; all else stays as it is. */
export type EditDestination = Pick<Destination, 'address' | 'weight' | 'upperThreshold' | 'lowerThreshold'>;

export type Edit =
  | { readonly kind: 'add-service' | 'edit-service'; readonly service: EditKey; readonly policy: EditPolicy }
  | { readonly kind: 'delete-service'; readonly service: EditKey }
  | {
      readonly kind: 'add-destination' | 'edit-destination';
      readonly service: EditKey;
      readonly destination: EditDestination;
    }
  | { readonly kind: 'delete-destination'; readonly service: EditKey; readonly address: string }
  /** All services and mark services; mark rules stay, as netfilter's rules do. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'set-timeouts'; readonly timeouts: Partial<Pick<Timeouts, 'established' | 'finWait' | 'udp'>> }
  | { readonly kind: 'add-mark-rule' | 'delete-mark-rule'; readonly rule: MarkRule }
  | { readonly kind: 'clear-mark-rules'; readonly mark?: number | undefined };

/**
 * The model after an edit. Services that it does not touch are the same objects.
 *
 * @throws BeelineError `SERVICE_EXISTS`, `SERVICE_UNKNOWN`, `DESTINATION_EXISTS`, `DESTINATION_UNKNOWN`, `OUT_OF_RANGE`
 *   (lower threshold above the upper), `EDIT_REFUSED` (IPVS would take it and Beeline does not; with what to do)
 */
export function edit(model: Model, _change: Edit): Model {
  return model;
}
