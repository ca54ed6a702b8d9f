/** The report of `beeline bench program`. Pure. */

import { NOISE_NOTE } from '../measure/rounds.js';
import type { Goal } from '../program/goals.js';
import type { ProgramReport } from '../program/program.js';
import { type Chart, count, type Report, type Table } from './report.js';

export function programReport(report: ProgramReport): Report {
  const { machine, rounds, repeat, rows, goals } = report;
  return {
    title: 'What a packet costs',
    machine,
    facts: { measured: `${rounds} rounds of ${count(repeat)} packets each, by BPF_PROG_RUN` },
    tables: [costTable(rows), ...(goals.length === 0 ? [] : [goalTable(goals)]), timeTable(report)],
    charts: costCharts(rows),
    notes: [NOISE_NOTE, 'Compare figures of one run only: machines differ, and from minute to minute.'],
  };
}

function costTable(rows: ProgramReport['rows']): Table {
  return {
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
      row.ns.toFixed(1),
      row.aboveEmptyNs.toFixed(1),
      row.ratioToEmpty.toFixed(2),
      row.min.toFixed(1),
      row.max.toFixed(1),
      count(row.flows),
      count(row.services),
      count(row.destinations),
      count(row.disturbed),
    ]),
  };
}

function goalTable(goals: readonly Goal[]): Table {
  return {
    columns: ['nanoseconds above empty', 'measured', 'goal', ''],
    rows: goals.map(({ goal, ns, most, met }) => [goal, ns.toFixed(1), most.toFixed(1), met ? 'met' : 'missed']),
  };
}

function timeTable({ publish, counters, sweep }: ProgramReport): Table {
  return {
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
        `a sweep over ${count(sweep.entries)} entries with ${count(sweep.flows)} flows, in a separate thread`,
        ...[sweep.ms, sweep.min, sweep.max].map((ms) => ms.toFixed(2)),
      ],
    ],
  };
}

/** Rows that are measured beside Beeline's program: what the harness and the machine cost. */
const YARDSTICKS = /^(empty|mac-swap|flows-empty|random-read|dependent-read-.*)$/;

/** Words for parts of a row's name. Others are words already. */
const WORDS: readonly (readonly [part: RegExp, words: string])[] = [
  [/^empty$/, 'a program that does nothing'],
  [/^flows-empty$/, 'the same with many flows'],
  [/^mac-swap$/, 'swap the MACs, no more'],
  [/^random-read$/, 'one read of memory a packet'],
  [/^dependent-read-(\d+)mb$/, 'one read in a table of $1 MB'],
  [/^vip-no-service$/, 'to the VIP, no service'],
  [/^no-service(?=-|$)/, 'not for a VIP'],
  [/\bwlc-(\d+)\b/, 'wlc with $1 destinations'],
  [/^(.*)flows-(\d+)\b/, '$1$2 flows'],
  [/\bservices-(\d+)\b/, '$1 services'],
  [/\bdestinations-(\d+)\b/, '$1 destinations'],
  [/^everything\b/, 'all features:'],
  [/\btracked\b/, 'tracked:'],
  [/\bipv([46])\b/g, 'IPv$1'],
  [/\bcached\b/, '(cached)'],
  [/\brandom\b/, 'at random'],
];

/** Returns the words for a row's name: "tracked-ipv4-tcp" is "tracked: IPv4 TCP". */
export function rowInWords(path: string): string {
  const words = WORDS.reduce((text, [part, put]) => text.replace(part, put), path).replaceAll('-', ' ');
  return words
    .replace(/\b(tcp|udp|icmp|vlan)\b/g, (name) => name.toUpperCase())
    .replace(/\b\d{4,}\b/g, (number) => count(Number(number)))
    .replace(/\b1 (flow|service|destination)s\b/, '1 $1');
}

function costCharts(rows: ProgramReport['rows']): Chart[] {
  const yardsticks = rows.filter(({ path }) => path.startsWith('dependent-read'));
  const packets = rows.filter((row) => !yardsticks.includes(row));
  const above = packets.filter(({ path }) => !/^(flows-)?empty$/.test(path));
  return [
    costChart('Cost of a packet', packets),
    {
      title: 'Above a program that does nothing',
      unit: 'Nanoseconds above a program that does nothing',
      kind: 'bars',
      labels: above.map(({ path }) => rowInWords(path)),
      highlighted: above.map(({ path }) => !YARDSTICKS.test(path)),
      series: [{ name: 'ns above empty', values: above.map(({ aboveEmptyNs }) => aboveEmptyNs) }],
    },
    ...(yardsticks.length === 0 ? [] : [costChart('A read of memory, for comparison', yardsticks)]),
  ];
}

function costChart(title: string, rows: ProgramReport['rows']): Chart {
  return {
    title,
    unit: 'Nanoseconds',
    kind: 'bars',
    labels: rows.map(({ path }) => rowInWords(path)),
    highlighted: rows.map(({ path }) => !YARDSTICKS.test(path)),
    series: [
      {
        name: 'ns',
        values: rows.map(({ ns }) => ns),
        low: rows.map(({ min }) => min),
        high: rows.map(({ max }) => max),
      },
    ],
  };
}
