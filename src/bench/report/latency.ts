/** The report of `beeline bench latency`. Pure. */

import type { LatencyReport } from '../latency/latency.js';
import type { Machine } from '../measure/machine.js';
import { count, type Report } from './report.js';

export function latencyReport(
  { rows, addedUs, addedMin, addedMax, rounds, bytes }: LatencyReport,
  machine: Machine,
): Report {
  const percentiles = ['p50', 'p90', 'p99', 'p999', 'max'] as const;
  return {
    title: 'Round trips of small requests',
    machine,
    facts: {
      measured: `${count(rows[0]!.requests)} requests of ${bytes} bytes on each path, in turn, in ${rounds} rounds, over TCP`,
      driver: 'veth, through a bridge',
    },
    tables: [
      {
        columns: ['microseconds', 'p50', 'p90', 'p99', 'p99.9', 'max', 'p50 lowest', 'p50 highest', 'requests'],
        rows: rows.map((row) => [
          pathInWords(row.path),
          ...percentiles.map((name) => row[name].toFixed(1)),
          row.p50Min.toFixed(1),
          row.p50Max.toFixed(1),
          count(row.requests),
        ]),
      },
    ],
    charts: [
      {
        title: 'Round trips',
        unit: 'Microseconds a request, from the fast half (p50) to the slowest',
        kind: 'lines',
        logarithmic: true,
        labels: ['p50', 'p90', 'p99', 'p99.9', 'max'],
        series: rows.map((row) => ({ name: pathInWords(row.path), values: percentiles.map((name) => row[name]) })),
      },
    ],
    notes: [
      `The director adds ${addedUs.toFixed(1)} µs to a request: the median of the differences of requests that followed each ` +
        `other (${addedMin.toFixed(1)} to ${addedMax.toFixed(1)} from round to round). Replies go straight to the client.`,
      'Client and servers are Node.js programs: most of a round trip is theirs.',
    ],
  };
}

function pathInWords(path: LatencyReport['rows'][number]['path']): string {
  return path === 'direct' ? 'straight to the real server' : 'through the director';
}
