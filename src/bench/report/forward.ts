/** The report of `beeline bench forward`, with its goals. Pure. */

import type { ForwardReport, ForwardRow } from '../forward/forward.js';
import type { ForwardGoal } from '../forward/goals.js';
import { shareOfProgram } from '../forward/profile.js';
import type { Machine } from '../measure/machine.js';
import { NOISE_NOTE } from '../measure/rounds.js';
import { type Chart, count, type Report, type Table } from './report.js';

const CPU_NOTE =
  'Time in which other programs had the CPU is not counted; the column "CPU" shows the share that was not theirs.';

/** Names of the directors in the table. */
const DESCRIPTIONS: Readonly<Record<ForwardRow['director'], string>> = {
  drop: 'XDP drop: the harness alone',
  'mac-rewrite': 'bare MAC rewrite: the limit',
  beeline: 'Beeline, native XDP',
  'beeline-moved': 'Beeline, “track: moved”',
  'beeline-generic': 'Beeline, generic XDP',
  nftables: 'nftables, fwd at ingress',
  kernel: 'the kernel, ip_forward',
  ipvs: 'IPVS, this kernel',
  'ipvs-uml': 'IPVS, user-mode Linux',
  external: 'the director behind the device',
};

/** Beeline's goals beside those in nanoseconds: this many times the other directors' rates. */
const GOALS: readonly Goal[] = [
  { text: 'times the kernel’s own forwarding', director: 'kernel', atLeast: 3.6 },
  { text: 'times IPVS in user-mode Linux', director: 'ipvs-uml', atLeast: 2.9, ownAtLeast: 6.5 },
];

interface Goal {
  readonly text: string;
  readonly director: ForwardRow['director'];
  readonly atLeast: number;
  /** The goal by the directors' own time alone. */
  readonly ownAtLeast?: number;
}

export function forwardReport(report: ForwardReport, machine: Machine): Report {
  const { rows, goals, versions, cpu, flows, driver, notes } = report;
  const beeline = rows.find(({ director }) => director === 'beeline');
  return {
    title: 'Packets a second',
    machine,
    facts: {
      measured: `60-byte UDP frames of ${count(flows)} flows, client, director and real servers on CPU ${cpu} together`,
      driver,
      ...versions,
    },
    tables: [rateTable(rows, beeline), ...(goals.length === 0 ? [] : [goalTable(goals)])],
    charts: rateCharts(rows),
    notes: [
      ...goals.filter(({ met }) => !met).flatMap((goal) => missedNotes(rows, goal)),
      ...(beeline === undefined ? [] : goalNotes(rows, beeline)),
      ...notes,
      NOISE_NOTE,
      CPU_NOTE,
    ],
  };
}

function rateTable(rows: readonly ForwardRow[], beeline: ForwardRow | undefined): Table {
  return {
    columns: [
      'director',
      'Mpps',
      'spread',
      'of the limit',
      'spread',
      'ns above it',
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
      row.aboveMacRewriteNs.toFixed(1),
      `${row.aboveMin.toFixed(1)}–${row.aboveMax.toFixed(1)}`,
      row.ownNs.toFixed(0),
      beeline === undefined ? '-' : `${(beeline.ratioToMacRewrite / row.ratioToMacRewrite).toFixed(2)}x`,
      `${row.cpuPercent.toFixed(0)} %`,
      `${row.lostPercent.toFixed(0)} %`,
      count(row.disturbed),
    ]),
  };
}

function goalTable(goals: readonly ForwardGoal[]): Table {
  return {
    columns: ['nanoseconds above the bare MAC rewrite', 'measured', 'goal', ''],
    rows: goals.map(({ director, ns, most, met }) => [
      DESCRIPTIONS[director],
      ns.toFixed(1),
      most.toFixed(1),
      met ? 'met' : 'missed',
    ]),
  };
}

function rateCharts(rows: readonly ForwardRow[]): Chart[] {
  const labels = rows.map(({ director }) => DESCRIPTIONS[director]);
  const highlighted = rows.map(({ director }) => director.startsWith('beeline'));
  return [
    {
      title: 'Packets a second on one core',
      unit: 'Million packets a second',
      kind: 'bars',
      labels,
      highlighted,
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
      unit: 'Nanoseconds a packet',
      kind: 'bars',
      labels,
      highlighted,
      series: [{ name: 'ns', values: rows.map(({ ownNs }) => ownNs) }],
    },
  ];
}

/** Returns what bounds a director that takes more nanoseconds than its goal. */
export function missedNotes(rows: readonly ForwardRow[], { director }: Pick<ForwardGoal, 'director'>): string[] {
  const limit = rows.find((row) => row.director === 'mac-rewrite');
  const missing = rows.find((row) => row.director === director);
  return limit === undefined || missing === undefined ? [] : [`${DESCRIPTIONS[director]}: ${bound(missing, limit)}`];
}

/** Returns a note for each goal: whether Beeline reached it. */
export function goalNotes(rows: readonly ForwardRow[], beeline: ForwardRow): string[] {
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
      ...(reached >= atLeast && (ownAtLeast === undefined || own >= ownAtLeast) ? [] : ['Missed.']),
    ];
    return [sentences.join(' ')];
  });
}

/** Returns a sentence about what takes a packet's time, by perf's samples. */
function bound(beeline: ForwardRow, other: ForwardRow): string {
  const [own, others] = [programNs(beeline, 'director'), programNs(other, 'rewrite_macs')];
  if (own === undefined || others === undefined) {
    return `it spends ${(beeline.ownNs - other.ownNs).toFixed(0)} ns a packet more. perf, where installed, would show where.`;
  }
  const rest = 1000 / beeline.mpps - own;
  return (
    `perf sees ${own.toFixed(0)} ns a packet in its XDP program (parse, match, pick, rewrite, count) where the bare rewrite ` +
    `has ${others.toFixed(0)}; the other ${rest.toFixed(0)} ns are the driver's and the harness's, the same for both.`
  );
}

/** Returns nanoseconds a packet in an XDP program. */
function programNs({ mpps, hotspots }: ForwardRow, program: string): number | undefined {
  return hotspots === undefined ? undefined : (shareOfProgram(hotspots, program) / 100) * (1000 / mpps);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
