/** The fate of a frame: the twin of bpf/delivery.h. */

import type { CompiledService } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';

export interface Decision {
  readonly verdict: VerdictName;
  /** The service it was matched to. */
  readonly service?: CompiledService;
  /** The name under which that service has its number: flowOwnerName(). */
  readonly owner?: string;
  /** The destination it was scheduled onto: index into the service's destinations. */
  readonly destination?: number;
  /** The frame as it leaves, or goes up. */
  readonly frame: Uint8Array;
  /** IP length, as counted, when the packet was sent or delivered. */
  readonly bytes?: number;
  readonly opensFlow?: boolean;
  /** It is dropped only if the host has no socket for it, which the oracle cannot know. */
  readonly lingers?: boolean;
}
