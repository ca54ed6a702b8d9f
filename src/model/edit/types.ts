/** Edits: the changes that one command makes to a running director's services, as in ipvsadm. */

import type { IpAddress } from '../address.js';
import type { Timeouts } from '../flow-settings.js';
import type { Destination, MarkKey, MarkRule, ServiceKey, ServicePolicy } from '../service.js';
import { markServiceName, serviceName } from '../service-name.js';

/** The service that an edit changes. */
export type EditKey = ServiceKey | MarkKey;

/** The part of a service that ipvsadm knows. The rest stays unchanged. */
export type EditPolicy = Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'>;

/** The part of a destination that ipvsadm knows. The rest stays unchanged. A threshold of 0 is none. */
export type EditDestination = Pick<Destination, 'address' | 'weight' | 'upperThreshold' | 'lowerThreshold'>;

export type Edit =
  | { readonly kind: 'add-service' | 'edit-service'; readonly service: EditKey; readonly policy: EditPolicy }
  | { readonly kind: 'delete-service'; readonly service: EditKey }
  | {
      readonly kind: 'add-destination' | 'edit-destination';
      readonly service: EditKey;
      readonly destination: EditDestination;
    }
  | { readonly kind: 'delete-destination'; readonly service: EditKey; readonly address: IpAddress }
  /** Deletes all services and mark services. Mark rules stay, as netfilter's do. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'set-timeouts'; readonly timeouts: Partial<Pick<Timeouts, 'established' | 'finWait' | 'udp'>> }
  | { readonly kind: 'add-mark-rule' | 'delete-mark-rule'; readonly rule: MarkRule }
  | { readonly kind: 'clear-mark-rules'; readonly mark?: number | undefined };

export function isMarkKey(key: EditKey): key is MarkKey {
  return 'mark' in key;
}

/** "tcp 192.168.1.100:80", "fwm 1 ipv6" */
export function editKeyName(key: EditKey): string {
  return isMarkKey(key) ? markServiceName(key) : serviceName(key);
}
