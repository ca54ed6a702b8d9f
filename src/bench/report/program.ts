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

function costCharts(rows: ProgramReport['rows']): Chart[] {
  const labels = rows.map(({ path }) => path);
  return [
    {
      title: 'Cost of a packet',
      unit: 'ns',
      kind: 'bars',
      labels,
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
      title: 'Above a program that does nothing',
      unit: 'ns above empty',
      kind: 'bars',
      labels,
      series: [{ name: 'ns above empty', values: rows.map(({ aboveEmptyNs }) => aboveEmptyNs) }],
    },
  ];
}
