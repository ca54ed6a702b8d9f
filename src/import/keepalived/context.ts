/** What every part of the translation needs. */

import type { Names } from '../../ipvsadm/index.js';
import type { Collector } from './collector.js';
import type { Statement } from './text/tree.js';

export interface Context {
  readonly report: Collector;
  readonly portOf: Names['portOf'];
  /** Where checks go. Default: to the real server's own address, as keepalived's, if it takes packets by direct routing. */
  readonly via?: 'vip' | 'rip' | undefined;
  /** Groups of virtual servers by name. */
  readonly groups: ReadonlyMap<string, Statement>;
}
