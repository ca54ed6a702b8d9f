/** How numbers, times and tables look on a terminal. Pure. */

import { type Paint, plain, type Style } from './colour.js';

/** One column: its title, and whether its cells stand to the right. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** At least so many characters: for tables that are printed in pieces. */
  readonly width?: number;
  /** How a cell is painted, by what stands in it. */
  readonly style?: (cell: string) => Style | undefined;
}

/** Columns as wide as their widest cell, two spaces between them, no space at the ends of lines. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = '',
  paint: Paint = plain,
): string {
  const widths = columns.map(({ title, width = 0 }, i) =>
    rows.reduce((most, row) => Math.max(most, row[i]!.length), Math.max(width, title.length)),
  );
  // Spaces stand outside of what is painted, so that they can be left away at the end and are never underlined.
  const padded = (cell: string, i: number, style: Style | undefined): string => {
    const space = ' '.repeat(widths[i]! - cell.length);
    const painted = cell === '' ? cell : paint(style, cell);
    return columns[i]!.align === 'right' ? space + painted : painted + space;
  };
  const titles = columns.map(({ title }, i) => padded(title, i, 'faint'));
  const lines = [titles, ...rows.map((cells) => cells.map((cell, i) => padded(cell, i, columns[i]!.style?.(cell))))];
  return lines.map((cells) => `${(indent + cells.join('  ')).trimEnd()}\n`).join('');
}

/** 12345678 → "12,345,678" */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** (1, "service") → "1 service"; (2, "service") → "2 services" */
export function formatQuantity(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;

/** 1234567 → "1.2 MB"; decimal units, as networks are measured. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? value.toFixed(0) : value.toFixed(1)} ${BYTE_UNITS[unit]!}`;
}

/** 0.25 → "25.0%" */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** "192.168.1.100:80", "[fd00::100]:80" */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Minutes and seconds, as ipvsadm shows what is left of a connection: 905 → "15:05". */
export function formatTimer(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}

/** The two largest units of a time span: "3 d 4 h", "12 min 5 s". */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts = [
    { amount: Math.floor(seconds / 86_400), unit: 'd' },
    { amount: Math.floor(seconds / 3600) % 24, unit: 'h' },
    { amount: Math.floor(seconds / 60) % 60, unit: 'min' },
    { amount: seconds % 60, unit: 's' },
  ];
  const first = parts.findIndex(({ amount }) => amount > 0);
  return parts
    .slice(first < 0 ? 3 : first, (first < 0 ? 3 : first) + 2)
    .map(({ amount, unit }) => `${amount} ${unit}`)
    .join(' ');
}

/** A moment in local time: "2026-11-21 10:08:01" */
export function formatMoment(iso: string): string {
  // The Swedish way is that of ISO 8601.
  return new Date(iso).toLocaleString('sv-SE');
}
