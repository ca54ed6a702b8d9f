/** Splits a file of ldirectord into its global settings and its sections, as read_config() of ldirectord 1.186-ha does. Pure. */

import { BeelineError } from '../../model/index.js';
import type { Report } from './report.js';

/** A line "key = value". */
export interface Setting {
  /** From 1. */
  readonly line: number;
  readonly key: string;
  /** Without blanks around it. */
  readonly value: string;
}

/** A line "virtual = …" and the indented ones below it. */
export interface Section {
  readonly start: Setting;
  readonly settings: readonly Setting[];
}

export interface Sections {
  readonly globals: readonly Setting[];
  readonly sections: readonly Section[];
}

/** Longer lines are not read: what looks for quotes in them takes its time. */
const MOST_CHARACTERS = 10_000;

/** So many blanks make a line part of a section; a tab counts as four. */
const INDENT = 4;

const SETTING = /^([A-Za-z][\w-]*)\s*=\s*(.*)$/;

interface Growing {
  readonly globals: Setting[];
  readonly sections: { readonly start: Setting; readonly settings: Setting[] }[];
  readonly comments: number[];
  /** Whether ldirectord itself would take an indented line for the section above. */
  isOpen: boolean;
}

/** @throws BeelineError `IMPORT_INVALID` if no line is one of ldirectord's */
export function readLines(text: string, report: Report): Sections {
  const growing: Growing = { globals: [], sections: [], comments: [], isOpen: false };
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  for (let i = 0; i < lines.length; i += 1) {
    const line = i + 1;
    let content = lines[i]!;
    while (isContinued(content) && i + 1 < lines.length) {
      i += 1;
      content = `${content.replace(/\\\s*$/, '')} ${lines[i]!.trim()}`;
      report.note(line, 'ldirectord itself has no lines that go on in the next one: they are read as one');
    }
    readLine({ line, content }, growing, report);
  }
  const { globals, sections, comments } = growing;
  if (comments.length > 0) {
    report.unneeded(comments[0]!, comments.length === 1 ? 'a comment' : `${comments.length} lines of comments`);
  }
  if (globals.length === 0 && sections.length === 0) {
    throw notOfLdirectord(lines);
  }
  return { globals, sections };
}

function isContinued(content: string): boolean {
  return content.length <= MOST_CHARACTERS && /\\\s*$/.test(content) && !/^\s*#/.test(content);
}

function readLine({ line, content }: { line: number; content: string }, growing: Growing, report: Report): void {
  const { globals, sections, comments } = growing;
  if (content.length > MOST_CHARACTERS) {
    report.dropped(line, `has more than ${MOST_CHARACTERS} characters`);
    return;
  }
  if (/^\s*#/.test(content)) {
    comments.push(line);
    return;
  }
  if (/^\s*$/.test(content)) {
    growing.isOpen = false;
    return;
  }
  const blanks = /^\s*/.exec(content)![0].replaceAll('\t', ' '.repeat(INDENT)).length;
  const section = sections.at(-1);
  const setting = settingOf(line, blanks === 0 ? content : content.replace(/#.*/, ''));
  if (setting === undefined) {
    report.dropped(line, 'is neither "key = value" nor a comment: ldirectord refuses the file');
  } else if (blanks === 0) {
    growing.isOpen = setting.key === 'virtual' || setting.key === 'virtual6';
    if (growing.isOpen) {
      sections.push({ start: setting, settings: [] });
    } else {
      globals.push(setting);
    }
  } else if (section === undefined) {
    report.dropped(line, 'is indented, and there is no "virtual" above: ldirectord refuses the file');
  } else {
    noteForm(line, blanks, growing.isOpen, report);
    section.settings.push(setting);
  }
}

function noteForm(line: number, blanks: number, isOpen: boolean, report: Report): void {
  if (blanks < INDENT) {
    report.note(
      line,
      `ldirectord itself wants ${INDENT} blanks or a tab here: the line is taken for the section above`,
    );
  } else if (!isOpen) {
    report.note(
      line,
      'an empty line ends a section of ldirectord: the line is taken for the section above all the same',
    );
  }
}

function settingOf(line: number, content: string): Setting | undefined {
  const text = content.trim();
  const [, key, value = ''] = SETTING.exec(text) ?? [];
  if (key !== undefined) {
    return { line, key, value: value.trim() };
  }
  return text === 'supervised' ? { line, key: text, value: 'yes' } : undefined;
}

function notOfLdirectord(lines: readonly string[]): BeelineError {
  const [index, first] = [...lines.entries()].find(([, each]) => !/^\s*(#|$)/.test(each)) ?? [];
  if (index === undefined || first === undefined) {
    return new BeelineError('IMPORT_INVALID', 'the file is empty, or has only comments');
  }
  const isKeepalived = lines.some((each) => /^\s*(virtual_server|vrrp_instance|global_defs)\b/.test(each));
  return new BeelineError(
    'IMPORT_INVALID',
    `line ${index + 1} is none of ldirectord's, and so are all others: "${first.trim().slice(0, 60)}"`,
    { hint: isKeepalived ? 'It looks like a file of keepalived.' : 'Name a file that ldirectord reads.' },
  );
}
