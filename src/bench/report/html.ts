/** Reports as HTML: one page that contains its styles, charts and figures. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import type { Report, Table } from './report.js';

/** Returns a report's page. It contains uPlot, which draws the charts. */
export function htmlPage(report: Report, when: Date): string {
  const { title, machine, facts, tables, charts, notes } = report;
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'));
  const about = {
    processor: `${machine.processor}, ${machine.processors} processors`,
    kernel: `Linux ${machine.kernel}`,
    ...facts,
    versions: `Beeline ${machine.beeline}, libbpf ${machine.libbpf}, Node.js ${machine.node}`,
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
${charts.map((chart, i) => `<section><h2>${escapeHtml(chart.title)}</h2><div class="chart" data-chart="${i}"></div></section>`).join('\n')}
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

function htmlTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[], tag: 'th' | 'td'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="table"><table><thead>${line(columns, 'th')}</thead>
<tbody>${rows.map((row) => line(row, 'td')).join('\n')}</tbody></table></div>`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const STYLE = `:root {
  --page: #fbfaf7; --card: #fff; --ink: #22201b; --soft: #6d675c; --line: #e3dfd4; --bar: #d98e04; --second: #2f6f9f;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #171613; --card: #201f1b; --ink: #ece8de; --soft: #a39c8d; --line: #37342d; --bar: #f0ad2e; --second: #74b3e0; }
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
`;

/** Draws the charts, and draws them again when the page's width or colours change. */
const SCRIPT = `'use strict';
const charts = JSON.parse(document.getElementById('charts').textContent);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function whiskers(series) {
  return (u) => {
    const { ctx } = u;
    ctx.save();
    ctx.strokeStyle = colour('--ink');
    ctx.lineWidth = devicePixelRatio;
    series.forEach(({ low, high }) => (low || []).forEach((value, i) => {
      const x = u.valToPos(i, 'x', true);
      const [bottom, top] = [value, high[i]].map((each) => u.valToPos(each, 'y', true));
      const cap = 4 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x, bottom); ctx.lineTo(x, top);
      for (const y of [bottom, top]) { ctx.moveTo(x - cap, y); ctx.lineTo(x + cap, y); }
      ctx.stroke();
    }));
    ctx.restore();
  };
}

function draw(element, { labels, series, unit, kind, logarithmic }) {
  element.replaceChildren();
  const bars = kind === 'bars';
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const crowded = labels.length > 6;
  const highest = Math.max(...series.flatMap(({ values, high }) => [...values, ...(high || [])]));
  new uPlot({
    width: element.clientWidth,
    height: crowded ? 380 : 280,
    padding: [12, crowded ? 60 : 12, 0, crowded ? 90 : 0],
    legend: { show: !bars },
    cursor: { show: !bars },
    scales: {
      x: { time: false, range: [-0.6, labels.length - 0.4] },
      y: logarithmic ? { distr: 3 } : { range: [Math.min(0, ...series.flatMap(({ values }) => values)), highest * 1.05] },
    },
    axes: [
      { ...axis, grid: { show: false }, splits: () => labels.map((_, i) => i), values: () => labels,
        rotate: crowded ? -45 : 0, size: crowded ? 140 : 40, space: 1 },
      { ...axis, label: unit, labelSize: 24, size: 56 },
    ],
    series: [
      { label: '' },
      ...series.map(({ name }, i) => ({
        label: name + ', ' + unit,
        stroke: colour(i === 0 ? '--bar' : '--second'),
        fill: bars ? colour(i === 0 ? '--bar' : '--second') : undefined,
        width: bars ? 0 : 2,
        paths: bars ? uPlot.paths.bars({ size: [0.6, 70] }) : undefined,
        points: { show: !bars, size: 8 },
      })),
    ],
    hooks: { draw: [whiskers(series)] },
  }, [labels.map((_, i) => i), ...series.map(({ values }) => values)], element);
}

function drawAll() {
  for (const element of document.querySelectorAll('[data-chart]')) draw(element, charts[Number(element.dataset.chart)]);
}
drawAll();
addEventListener('resize', drawAll);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
`;
