/** Edits: the changes that one command makes to a running director's services, as in ipvsadm. */

import type { IpAddress } from '../address.js';
import type { Timeouts } from '../flow-settings.js';
import type { Destination, MarkRule, ServicePolicy } from '../service.js';
import type { AnyServiceKey } from '../service-name.js';

/** The part of a service that ipvsadm knows. The rest stays unchanged. */
export type EditPolicy = Pick<ServicePolicy, 'scheduler' | 'flags' | 'persistence' | 'onePacket'>;

/** The part of a destination that ipvsadm knows. The rest stays unchanged. A threshold of 0 is none. */
export type EditDestination = Pick<Destination, 'address' | 'port' | 'weight' | 'upperThreshold' | 'lowerThreshold'>;

export type Edit =
  | { readonly kind: 'add-service' | 'edit-service'; readonly service: AnyServiceKey; readonly policy: EditPolicy }
  | { readonly kind: 'delete-service'; readonly service: AnyServiceKey }
  | {
      readonly kind: 'add-destination' | 'edit-destination';
      readonly service: AnyServiceKey;
      readonly destination: EditDestination;
    }
  | {
      readonly kind: 'delete-destination';
      readonly service: AnyServiceKey;
      readonly address: IpAddress;
      /** Of a mark's service: its real server must have this port. Undefined: any. */
      readonly port?: number | undefined;
    }
  /** Deletes all services and mark services. Mark rules stay, as netfilter's do. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'set-timeouts'; readonly timeouts: Partial<Pick<Timeouts, 'established' | 'finWait' | 'udp'>> }
  | { readonly kind: 'add-mark-rule' | 'delete-mark-rule'; readonly rule: MarkRule }
  | { readonly kind: 'clear-mark-rules'; readonly mark?: number | undefined };

/** The edits of a kind. */
export type EditOf<Kind extends Edit['kind']> = Extract<Edit, { kind: Kind }>;
