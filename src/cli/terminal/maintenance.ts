/** Text about real servers that operators took out. Pure. */

import type { MaintenanceReport } from '../../control/index.js';
import { formatDuration, formatMoment } from './format.js';

/** "192.168.1.31 of all services, since 2026-11-30 10:00:00, for 1 h 59 min more: new disks" @param now milliseconds since 1970 */
export function formatMaintenance(report: MaintenanceReport, now: number): string {
  const { service = 'all services', realServer, since, until, reason, moves } = report;
  const left = until === undefined ? '' : `, for ${formatDuration(Date.parse(until) - now)} more`;
  const flows = moves ? ', its flows went to others' : '';
  return `${realServer} of ${service}, since ${formatMoment(since)}${left}${flows}${reason === undefined ? '' : `: ${reason}`}`;
}
