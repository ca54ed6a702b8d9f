/** Reports as text. Pure. */

import type { Report, Table } from './report.js';

/** Formats a report for a terminal. */
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

/** Formats a table with columns as wide as their widest cell and figures to the right. */
function formatTable({ columns, rows }: Table): string {
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  return [columns, ...rows]
    .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** Breaks a text into lines of at most `width` characters, each with a line feed. */
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
