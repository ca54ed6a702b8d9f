/** Reports as HTML: one page that contains its styles, charts and figures. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import type { Origin } from '../measure/origin.js';
import { barChart } from './bars.js';
import { escapeHtml } from './escape.js';
import type { Chart, Report, Table } from './report.js';

/** Returns a report's page. It contains uPlot, which draws the lines. */
export function htmlPage(report: Report, when: Date, { command, commit, processor, ...settings }: Origin): string {
  const { title, machine, facts, tables, charts, notes } = report;
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'));
  const about = {
    command,
    ...facts,
    processor: `${processor}, ${machine.processors} of them`,
    ...settings,
    kernel: `Linux ${machine.kernel}`,
    versions: `Beeline ${machine.beeline} (commit ${commit}), libbpf ${machine.libbpf}, Node.js ${machine.node}`,
    date: when.toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
  };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Beeline: ${escapeHtml(title)}</title>
<style>
${readFileSync(join(uplot, 'uPlot.min.css'), 'utf8')}
${STYLE}</style>
</head>
<body>
<main>
<header><p class="brand">beeline bench</p><h1>${escapeHtml(title)}</h1></header>
${charts.map((chart, i) => `<section><h2>${escapeHtml(chart.title)}</h2>${chart.kind === 'bars' ? barChart(chart) : linesOf(chart, i)}</section>`).join('\n')}
${tables.map(htmlTable).join('\n')}
${notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n')}
<h2>Machine and method</h2>
<dl>${Object.entries(about)
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('\n')}</dl>
</main>
<script type="application/json" id="charts">${JSON.stringify(charts).replaceAll('<', '\\u003c')}</script>
<script>
${readFileSync(join(uplot, 'uPlot.iife.min.js'), 'utf8')}
</script>
<script>
${SCRIPT}</script>
</body>
</html>
`;
}

/** A place for uPlot, and what its axis is. */
function linesOf({ unit, logarithmic }: Chart, i: number): string {
  return (
    `<figure><div class="chart" data-chart="${i}"></div>` +
    `<figcaption>${escapeHtml(unit)}${logarithmic === true ? ', on a logarithmic axis' : ''}.</figcaption></figure>`
  );
}

function htmlTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[], tag: 'th' | 'td'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="table"><table><thead>${line(columns, 'th')}</thead>
<tbody>${rows.map((row) => line(row, 'td')).join('\n')}</tbody></table></div>`;
}

const STYLE = `:root {
  --page: #fbfaf7; --card: #fff; --ink: #22201b; --soft: #6d675c; --line: #e3dfd4; --bar: #d98e04; --second: #2f6f9f; --other: #c4bdae;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #171613; --card: #201f1b; --ink: #ece8de; --soft: #a39c8d; --line: #37342d; --bar: #f0ad2e; --second: #74b3e0; --other: #5d584c; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header { margin-bottom: 1.5rem; }
.brand { margin: 0; color: var(--bar); font-weight: 600; }
h1 { margin: 0; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 0 0 .6rem; font-size: 1.05rem; }
section, .table, dl { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 0 0 1.25rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .84rem; }
th, td { padding: .3rem .45rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr:last-child td { border-bottom: 0; }
.note { max-width: 46rem; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; }
dt { color: var(--soft); }
dd { margin: 0; }
.u-legend { font-size: .85rem; }
figure { margin: 0; }
figcaption { margin-top: .6rem; color: var(--soft); font-size: .85rem; }
.row { display: grid; grid-template-columns: minmax(8rem, 15rem) 1fr 3.6rem; gap: .1rem .75rem; align-items: center; padding: .15rem 0; font-size: .85rem; }
.track { position: relative; height: 1rem; border-left: 1px solid var(--line); }
.bar { position: absolute; inset: 0 auto 0 0; background: var(--other); border-radius: 0 3px 3px 0; }
.own .bar { background: var(--bar); }
.own .name { font-weight: 600; }
.whisker { position: absolute; top: .2rem; height: .6rem; border: solid var(--ink); border-width: 0 1px; min-width: 1px; }
.whisker::after { content: ''; position: absolute; inset: 50% 0 auto; border-top: 1px solid var(--ink); }
.value { text-align: right; font-variant-numeric: tabular-nums; }
.axis .track { border: 0; color: var(--soft); }
.axis i { position: absolute; font-style: normal; transform: translateX(-50%); }
.axis i:first-child { transform: none; }
@media (max-width: 40rem) {
  .row { grid-template-columns: 1fr 3.2rem; }
  .name { grid-column: 1 / -1; }
  .axis .name { display: none; }
  dl { grid-template-columns: 1fr; }
  dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }
}
`;

/** Draws the charts, and draws them again when the page's width or colours change. */
const SCRIPT = `'use strict';
const charts = JSON.parse(document.getElementById('charts').textContent);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(element, { labels, series, logarithmic }) {
  element.replaceChildren();
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  new uPlot({
    width: element.clientWidth,
    height: 280,
    padding: [12, 12, 0, 0],
    legend: { live: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [-0.4, labels.length - 0.6] }, y: logarithmic ? { distr: 3 } : {} },
    axes: [
      { ...axis, grid: { show: false }, splits: () => labels.map((_, i) => i), values: () => labels, space: 1 },
      { ...axis, size: 56 },
    ],
    series: [
      {},
      ...series.map(({ name }, i) => ({
        label: name,
        stroke: colour(i === series.length - 1 ? '--bar' : '--second'),
        width: i === series.length - 1 ? 3 : 2,
        points: { show: true, size: 8 },
      })),
    ],
  }, [labels.map((_, i) => i), ...series.map(({ values }) => values)], element);
}

function drawAll() {
  for (const element of document.querySelectorAll('[data-chart]')) draw(element, charts[Number(element.dataset.chart)]);
}
drawAll();
addEventListener('resize', drawAll);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
`;
