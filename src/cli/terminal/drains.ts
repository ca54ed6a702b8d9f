/** Text about drains: how far one is, and that it ended. Pure. */

import type { DrainKey, DrainReport, RunningModel } from '../../control/index.js';
import { formatDuration, formatQuantity } from './format.js';

/** "192.168.1.31 of tcp 192.168.1.100:80: 3 flows left, removed in 9 min 58 s at the latest" @param now milliseconds since 1970 */
export function formatDrain(report: DrainReport, now: number): string {
  const { service, realServer, flows, removed } = report;
  if (removed) {
    const moved = flows > 0 ? `; ${formatQuantity(flows, 'flow')} moved to other real servers` : '';
    return `${realServer} was removed from ${service}${moved}`;
  }
  return `${realServer} of ${service}: ${formatLeft(report, now)}`;
}

/** "tcp 192.168.1.100:80   192.168.1.31 is being drained: 3 flows left" @param now milliseconds since 1970 */
export function formatRunning(report: DrainReport, now: number): string {
  const { service, realServer } = report;
  return `${service}   ${realServer} is being drained: ${formatLeft(report, now)}`;
}

/** "192.168.1.31 is no longer drained" */
export function formatEnded({ realServer }: DrainKey): string {
  return `${realServer} is no longer drained`;
}

/** "; 2 drains ended", the end of a summary; nothing if none did. */
export function summarizeEnded(ended: readonly DrainKey[]): string {
  return ended.length === 0 ? '' : `; ${formatQuantity(ended.length, 'drain')} ended`;
}

/** Returns the drains that run, for a result that has them only if there are some. */
export function drainsThatRun({ drains = [] }: RunningModel): { drains?: readonly DrainReport[] } {
  return drains.length === 0 ? {} : { drains };
}

function formatLeft({ flows, uncertain, deadline }: DrainReport, now: number): string {
  const silent = uncertain ? ', and those that have been silent since the drain began' : '';
  const limit = deadline === undefined ? '' : `, removed in ${formatDuration(deadline - now)} at the latest`;
  return `${formatQuantity(flows, 'flow')} left${silent}${limit}`;
}
