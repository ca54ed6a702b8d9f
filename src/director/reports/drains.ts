/** How far the drains are that run. */

import type { DrainKey, DrainReport } from '../../control/index.js';
import type { DataPlane } from '../../dataplane/index.js';
import type { Drain } from '../changes/drains.js';
import { wallOf } from '../clock.js';
import { flowsLeft } from './flows-left.js';

type Sources = Pick<DataPlane, 'image' | 'flowCounts'>;

export function reportDrain({ service, address, deadline }: Drain, dataPlane: Sources): DrainReport {
  return {
    service,
    realServer: address,
    removed: false,
    ...(deadline !== undefined && { deadline: wallOf(deadline) }),
    ...flowsLeft(dataPlane, service, address),
  };
}

export function reportDrains(drains: readonly Drain[], dataPlane: Sources): DrainReport[] {
  return drains.map((drain) => reportDrain(drain, dataPlane));
}

export function drainKeys(drains: readonly Drain[]): DrainKey[] {
  return drains.map(({ service, address }) => ({ service, realServer: address }));
}
