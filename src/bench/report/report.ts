/** What was measured, as tables and charts, and tables as text. Pure. */

import type { ForwardReport, ForwardRow } from '../forward/forward.js';
import { shareOfProgram } from '../forward/profile.js';
import type { LatencyReport } from '../latency/latency.js';
import type { CountersReport } from '../program/counters.js';
import type { ProgramRow } from '../program/program.js';
import type { PublishReport } from '../program/publish.js';
import type { SweepReport } from '../program/sweep.js';
import type { Machine } from './machine.js';
import { NOISE_NOTE } from './rounds.js';

/** The first column is names, the others are figures. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** One bar or point a label, for each series. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly kind: 'bars' | 'lines';
  /** The values span orders of magnitude. */
  readonly logarithmic?: boolean;
  readonly labels: readonly string[];
  readonly series: readonly Series[];
}

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
  /** The spread around each value. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
}

/** Everything that a reader gets to see of a benchmark. */
export interface Report {
  readonly title: string;
  readonly machine: Machine;
  /** What was measured how, beyond the machine: driver, versions, sizes. */
  readonly facts: Readonly<Record<string, string>>;
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
  /** Sentences below the tables. */
  readonly notes: readonly string[];
}

/** A report as text for a terminal. */
export function formatReport({ machine, facts, tables, notes }: Report): string {
  const { processor, processors, kernel } = machine;
  const head = [`${processor}, ${processors} processors, Linux ${kernel}`, ...factLines(facts)];
  return [
    head.join('\n') + '\n',
    ...tables.map(formatTable),
    ...(notes.length === 0 ? [] : [notes.map((note) => wrap(note, 120)).join('')]),
  ].join('\n');
}

function factLines(facts: Report['facts']): string[] {
  return Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
}

/** Columns as wide as their widest cell, figures to the right. */
function formatTable({ columns, rows }: Table): string {
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [columns, ...rows]
    .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** Lines of at most `width`, each ended. */
export function wrap(text: string, width: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > width) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

export interface ProgramReport {
  readonly machine: Machine;
  readonly rounds: number;
  readonly repeat: number;
  readonly rows: readonly ProgramRow[];
  readonly publish: PublishReport;
  readonly counters: CountersReport;
  readonly sweep: SweepReport;
}

export function programReport(report: ProgramReport): Report {
  const { machine, rounds, repeat, rows, publish, counters, sweep } = report;
  return {
    title: 'What a packet costs',
    machine,
    facts: { measured: `${rounds} rounds of ${count(repeat)} packets each, by BPF_PROG_RUN` },
    tables: [
      {
        columns: [
          'nanoseconds a packet',
          'median',
          'above empty',
          'ratio',
          'min',
          'max',
          'flows',
          'services',
          'destinations',
          'disturbed',
        ],
        rows: rows.map((row) => [
          row.path,
          String(row.ns),
          row.aboveEmptyNs.toFixed(1),
          row.ratioToEmpty.toFixed(2),
          String(row.min),
          String(row.max),
          count(row.flows),
          count(row.services),
          count(row.destinations),
          count(row.disturbed),
        ]),
      },
      {
        columns: ['milliseconds', 'median', 'min', 'max'],
        rows: [
          [
            `one weight among ${count(publish.services)} services of ${count(publish.destinations)} destinations, until packets follow`,
            ...[publish.ms, publish.min, publish.max].map((ms) => ms.toFixed(2)),
          ],
          [
            `all counters of ${count(counters.destinations)} destinations, read without a system call`,
            ...[counters.ms, counters.min, counters.max].map((ms) => ms.toFixed(4)),
          ],
          [
            `a sweep over ${count(sweep.entries)} entries with ${count(sweep.flows)} flows, in a thread of its own`,
            ...[sweep.ms, sweep.min, sweep.max].map((ms) => ms.toFixed(2)),
          ],
        ],
      },
    ],
    charts: [
      {
        title: 'Cost of a packet',
        unit: 'ns',
        kind: 'bars',
        labels: rows.map(({ path }) => path),
        series: [
          {
            name: 'ns',
            values: rows.map(({ ns }) => ns),
            low: rows.map(({ min }) => min),
            high: rows.map(({ max }) => max),
          },
        ],
      },
      {
        title: 'Beyond a program that does nothing',
        unit: 'ns above empty',
        kind: 'bars',
        labels: rows.map(({ path }) => path),
        series: [{ name: 'ns above empty', values: rows.map(({ aboveEmptyNs }) => aboveEmptyNs) }],
      },
    ],
    notes: [NOISE_NOTE, 'Compare figures of one run only: machines differ, and from minute to minute.'],
  };
}

const CPU_NOTE =
  'Time in which other programs had the CPU is not counted; the column "CPU" tells the share that was not theirs.';

/** What the lab's directors are. */
const DESCRIPTIONS: Readonly<Record<ForwardRow['director'], string>> = {
  drop: 'XDP drop: the harness alone',
  'mac-rewrite': 'bare MAC rewrite: the limit',
  beeline: 'Beeline, native XDP',
  'beeline-generic': 'Beeline, generic XDP',
  nftables: 'nftables, fwd at ingress',
  kernel: 'the kernel, ip_forward',
  ipvs: 'IPVS, this kernel',
  'ipvs-uml': 'IPVS, user-mode Linux',
  external: 'the director behind the device',
};

/** What Beeline is held to: at least this share of the limit, and this many times the others' rates. */
const GOALS: readonly Goal[] = [
  { text: 'of the bare MAC rewrite’s rate', director: 'mac-rewrite', atLeast: 0.95 },
  { text: 'times the kernel’s own forwarding', director: 'kernel', atLeast: 3.6 },
  { text: 'times IPVS in user-mode Linux', director: 'ipvs-uml', atLeast: 2.9, ownAtLeast: 6.5 },
];

interface Goal {
  readonly text: string;
  readonly director: ForwardRow['director'];
  readonly atLeast: number;
  /** By the directors' own time alone. */
  readonly ownAtLeast?: number;
}

export function forwardReport(report: ForwardReport, machine: Machine): Report {
  const { rows, versions, cpu, flows, driver, notes } = report;
  const beeline = rows.find(({ director }) => director === 'beeline');
  return {
    title: 'Packets a second',
    machine,
    facts: {
      measured: `60-byte UDP frames of ${count(flows)} flows, client, director and real servers on CPU ${cpu} together`,
      driver,
      ...versions,
    },
    tables: [
      {
        columns: [
          'director',
          'Mpps',
          'spread',
          'of the limit',
          'spread',
          'own ns',
          'Beeline is',
          'CPU',
          'lost',
          'disturbed',
        ],
        rows: rows.map((row) => [
          DESCRIPTIONS[row.director],
          row.mpps.toFixed(2),
          `${row.min.toFixed(2)}–${row.max.toFixed(2)}`,
          percent(row.ratioToMacRewrite),
          `${(100 * row.ratioMin).toFixed(0)}–${(100 * row.ratioMax).toFixed(0)} %`,
          row.ownNs.toFixed(0),
          beeline === undefined ? '-' : `${(beeline.ratioToMacRewrite / row.ratioToMacRewrite).toFixed(2)}x`,
          `${row.cpuPercent.toFixed(0)} %`,
          `${row.lostPercent.toFixed(0)} %`,
          count(row.disturbed),
        ]),
      },
    ],
    charts: [
      {
        title: 'Packets a second on one core',
        unit: 'Mpps',
        kind: 'bars',
        labels: rows.map(({ director }) => director),
        series: [
          {
            name: 'Mpps',
            values: rows.map(({ mpps }) => mpps),
            low: rows.map(({ min }) => min),
            high: rows.map(({ max }) => max),
          },
        ],
      },
      {
        title: 'The director’s own time a packet',
        unit: 'ns',
        kind: 'bars',
        labels: rows.map(({ director }) => director),
        series: [{ name: 'ns', values: rows.map(({ ownNs }) => ownNs) }],
      },
    ],
    notes: [...(beeline === undefined ? [] : verdicts(rows, beeline)), ...notes, NOISE_NOTE, CPU_NOTE],
  };
}

/** Whether Beeline reached its goals, and where it did not, what bounds it. */
export function verdicts(rows: readonly ForwardRow[], beeline: ForwardRow): string[] {
  return GOALS.flatMap(({ text, director, atLeast, ownAtLeast }) => {
    const other = rows.find((row) => row.director === director);
    if (other === undefined) {
      return [];
    }
    const reached = beeline.ratioToMacRewrite / other.ratioToMacRewrite;
    const own = other.ownNs / beeline.ownNs;
    const sentences = [
      `Beeline reaches ${reached.toFixed(3)} ${text} (goal ${atLeast}).`,
      ...(ownAtLeast === undefined ? [] : [`Counting own time alone it is ${own.toFixed(1)} (goal ${ownAtLeast}).`]),
      ...(reached >= atLeast && (ownAtLeast === undefined || own >= ownAtLeast)
        ? []
        : [`Missed: ${bound(beeline, other)}`]),
    ];
    return [sentences.join(' ')];
  });
}

/** What a packet's time goes to, by what perf saw. */
function bound(beeline: ForwardRow, other: ForwardRow): string {
  const [own, others] = [programNs(beeline, 'director'), programNs(other, 'rewrite_macs')];
  if (own === undefined || others === undefined) {
    return `it spends ${(beeline.ownNs - other.ownNs).toFixed(0)} ns a packet more. perf, where installed, would tell on what.`;
  }
  const rest = 1000 / beeline.mpps - own;
  return (
    `perf sees ${own.toFixed(0)} ns a packet in its XDP program (parse, match, pick, rewrite, count) where the bare rewrite ` +
    `has ${others.toFixed(0)}; the other ${rest.toFixed(0)} ns are the driver's and the harness's, for both alike.`
  );
}

/** Nanoseconds a packet in an XDP program. */
function programNs({ mpps, hotspots }: ForwardRow, program: string): number | undefined {
  return hotspots === undefined ? undefined : (shareOfProgram(hotspots, program) / 100) * (1000 / mpps);
}

export function latencyReport(
  { rows, addedUs, addedMin, addedMax, rounds, bytes }: LatencyReport,
  machine: Machine,
): Report {
  const percentiles = ['p50', 'p90', 'p99', 'p999', 'max'] as const;
  return {
    title: 'Round trips of small requests',
    machine,
    facts: {
      measured: `${count(rows[0]!.requests)} requests of ${bytes} bytes each way, by turns, in ${rounds} rounds, over TCP`,
      driver: 'veth, through a bridge',
    },
    tables: [
      {
        columns: ['microseconds', 'p50', 'p90', 'p99', 'p99.9', 'max', 'p50 lowest', 'p50 highest', 'requests'],
        rows: rows.map((row) => [
          row.path === 'direct' ? 'straight to the real server' : 'through the director',
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
        unit: 'µs',
        kind: 'lines',
        logarithmic: true,
        labels: ['p50', 'p90', 'p99', 'p99.9', 'max'],
        series: rows.map((row) => ({ name: row.path, values: percentiles.map((name) => row[name]) })),
      },
    ],
    notes: [
      `The director adds ${addedUs.toFixed(1)} µs to a request: the median of the differences of requests that followed each ` +
        `other (${addedMin.toFixed(1)} to ${addedMax.toFixed(1)} from round to round). Replies go straight to the client.`,
      'Client and servers are Node.js programs: most of a round trip is theirs.',
    ],
  };
}

function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
