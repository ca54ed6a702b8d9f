/** The report of an import, for people: a line for each remark, in the order of the files. Pure. */

import { REMARK_KINDS, type Remark, type RemarkKind } from './result.js';

/** More line numbers than these are counted. */
const MOST_LINES_NAMED = 8;
/** Longer remarks quote what is in the file at length, and are cut. */
const MOST_CHARACTERS = 400;

export interface ReportOptions {
  /** The name of the only file, for remarks that name none. */
  readonly file: string;
  /** Whether lines that are kept are listed too. Default: they are counted. */
  readonly verbose?: boolean | undefined;
}

/**
 * Returns the report: "FILE:LINE: dropped: …", as compilers write, and at the end how many lines of each file were kept,
 * translated and dropped. Lines with the same remark are one.
 */
export function formatReport(remarks: readonly Remark[], { file, verbose = false }: ReportOptions): string {
  const groups = new Map<string, { readonly first: Remark; readonly lines: number[] }>();
  for (const remark of remarks) {
    if (remark.kind === 'kept' && !verbose) {
      continue;
    }
    const key = JSON.stringify([remark.file, remark.kind, remark.text]);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { first: remark, lines: [] });
    } else {
      group.lines.push(remark.line);
    }
  }
  const lines = [...groups.values()].map(({ first, lines: others }) => {
    const place = `${first.file ?? file}:${first.line}`;
    const text = first.text === '' ? '' : `: ${shortened(first.text)}`;
    return `${place}: ${first.kind}${text}${throughText(first)}${othersText(others)}\n`;
  });
  return [...lines, ...sums(remarks, file)].join('');
}

function shortened(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

function throughText({ line, lastLine }: Remark): string {
  return lastLine === undefined || lastLine <= line ? '' : ` (to line ${lastLine})`;
}

function othersText(lines: readonly number[]): string {
  if (lines.length === 0) {
    return '';
  }
  const named = lines.slice(0, MOST_LINES_NAMED).join(', ');
  const more = lines.length - MOST_LINES_NAMED;
  return ` (also line${lines.length === 1 ? '' : 's'} ${named}${more > 0 ? ` and ${more} more` : ''})`;
}

/** Returns how many lines of each file have which fate; of several remarks on one line the worst counts. */
function sums(remarks: readonly Remark[], only: string): string[] {
  const files = new Map<string, Map<number, RemarkKind>>();
  // A block that is used ten thousand times, by a definition, is looked at once.
  const seen = new Set<string>();
  for (const { file = only, line, lastLine = line, kind } of remarks) {
    if (kind === 'note') {
      continue;
    }
    const key = JSON.stringify([file, line, lastLine, kind]);
    if (seen.has(key)) {
      continue;
    }
    seen.add(key);
    const lines = files.get(file) ?? new Map<number, RemarkKind>();
    files.set(file, lines);
    for (let each = line; each <= lastLine; each += 1) {
      const before = lines.get(each);
      if (before === undefined || rank(kind) > rank(before)) {
        lines.set(each, kind);
      }
    }
  }
  return [...files].map(([file, lines]) => {
    const count = (kind: RemarkKind): number => [...lines.values()].filter((each) => each === kind).length;
    const kept = count('kept');
    return `${file}: ${kept} line${kept === 1 ? '' : 's'} kept, ${count('translated')} translated, ${count('dropped')} dropped\n`;
  });
}

function rank(kind: RemarkKind): number {
  return REMARK_KINDS.indexOf(kind);
}
