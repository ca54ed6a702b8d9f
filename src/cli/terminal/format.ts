/** Formats numbers, times and tables for a terminal. Pure. */

import { type Paint, plain, type Style } from './colour.js';

/** One column of a table. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** The least width in characters, for tables that are printed in pieces. */
  readonly width?: number;
  /** Returns the style of a cell by its text. */
  readonly style?: (cell: string) => Style | undefined;
}

/** Prints a table: columns as wide as their widest cell, two spaces between them, no spaces at the end of a line. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = '',
  paint: Paint = plain,
): string {
  const widths = columns.map(({ title, width = 0 }, i) =>
    rows.reduce((most, row) => Math.max(most, row[i]!.length), Math.max(width, title.length)),
  );
  // The spaces are not painted, so that those at the end of a line can be trimmed.
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

/** Minutes and seconds, as ipvsadm prints the time until a connection expires: 905 → "15:05". */
export function formatTimer(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}

/** A time span in its two largest units: "3 d 4 h", "12 min 5 s". */
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
  // The Swedish locale uses the format of ISO 8601.
  return new Date(iso).toLocaleString('sv-SE');
}

/** "no daemon since 2026-11-21 12:41:17, 5 min ago". @param now milliseconds since 1970 */
export function formatAbsence(since: string, now: number): string {
  return `no daemon since ${formatMoment(since)}, ${formatDuration(now - Date.parse(since))} ago`;
}
