/** Bar charts as HTML and CSS: lying bars, whose names fit on a telephone. Pure. */

import { escapeHtml } from './escape.js';
import type { Chart } from './report.js';

/** From this ratio on, the axis is logarithmic: a linear one would hide the short bars. */
const LOGARITHMIC_FROM = 20;

interface Axis {
  readonly logarithmic: boolean;
  readonly ticks: readonly number[];
  /** @returns percent of the axis */
  place(value: number): number;
}

/** Returns a chart whose labels are the rows. Those of Beeline are highlighted. */
export function barChart({ unit, labels, series: [series], highlighted }: Chart): string {
  const { values, low, high } = series!;
  const axis = axisOf([...values, ...(low ?? []), ...(high ?? [])]);
  const rows = labels.map((label, i) => {
    const isOwn = highlighted?.[i] === true;
    const spread = low && high ? whisker(axis, low[i]!, high[i]!) : '';
    return (
      `<div class="row${isOwn ? ' own' : ''}"><span class="name">${escapeHtml(label)}</span>` +
      `<span class="track"><i class="bar" style="width:${percent(axis.place(values[i]!))}"></i>${spread}</span>` +
      `<span class="value">${figure(values[i]!)}</span></div>`
    );
  });
  const ticks = axis.ticks.map((tick) => `<i style="left:${percent(axis.place(tick))}">${figure(tick)}</i>`);
  return (
    `<figure class="bars">${rows.join('\n')}\n<div class="row axis"><span class="name"></span><span class="track">${ticks.join('')}` +
    `</span><span class="value"></span></div>\n<figcaption>${caption(unit, axis, low !== undefined, highlighted)}</figcaption></figure>`
  );
}

function caption(unit: string, { logarithmic }: Axis, hasSpread: boolean, highlighted: Chart['highlighted']): string {
  return [
    `${escapeHtml(unit)}${logarithmic ? ', on a logarithmic axis' : ''}.`,
    ...(hasSpread ? ['The thin line goes from the lowest round to the highest, the bar to the median.'] : []),
    ...(highlighted?.includes(true) === true ? ['Beeline is highlighted.'] : []),
  ].join(' ');
}

function whisker(axis: Axis, low: number, high: number): string {
  const [from, to] = [axis.place(low), axis.place(high)];
  return `<i class="whisker" style="left:${percent(from)};width:${percent(to - from)}"></i>`;
}

function axisOf(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0);
  const [least, most] = [Math.min(...positive), Math.max(...positive)];
  if (positive.length === 0) {
    return { logarithmic: false, ticks: [0], place: () => 0 };
  }
  if (most / least < LOGARITHMIC_FROM) {
    const step = niceStep(most);
    const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
    return { logarithmic: false, ticks, place: (value) => (100 * Math.max(0, value)) / most };
  }
  // What is near zero is noise: a bar for it would make all others short.
  const first = Math.max(Math.floor(Math.log10(least)), Math.floor(Math.log10(most)) - 3);
  const span = Math.log10(most) - first;
  const ticks = Array.from({ length: Math.floor(span) + 1 }, (_, i) => 10 ** (first + i));
  const place = (value: number): number => (value <= 0 ? 0 : Math.max(0, (100 * (Math.log10(value) - first)) / span));
  return { logarithmic: true, ticks, place };
}

/** Returns the distance of ticks, so that there are three to six: 1, 2 or 5 times a power of ten. */
function niceStep(most: number): number {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough)!;
}

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}

/** Formats a figure with three digits that mean something: 0.25, 63.8, 1,042. */
export function figure(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return Number(value.toFixed(digits)).toLocaleString('en-US', { maximumFractionDigits: digits });
}
