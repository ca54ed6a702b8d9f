/** Text about real servers that operators took out. Pure. */

import type { MaintenanceReport } from '../../control/index.js';
import { formatDuration, formatMoment } from './format.js';

/** "192.168.1.31 of all services, since 2026-11-30 10:00:00, for 2 h 0 min more: new disks" @param now milliseconds since 1970 */
export function formatMaintenance(report: MaintenanceReport, now: number): string {
  const { service = 'all services', realServer, since, until, reason, moves } = report;
  // Rounded up: "--for 2h" begins with 2 hours, and ends with the last second.
  const leftMs = until === undefined ? undefined : Math.ceil((Date.parse(until) - now) / 1000) * 1000;
  const left = leftMs === undefined ? '' : `, for ${formatDuration(leftMs)} more`;
  const flows = moves ? ', its flows went to others' : '';
  return `${realServer} of ${service}, since ${formatMoment(since)}${left}${flows}${reason === undefined ? '' : `: ${reason}`}`;
}
