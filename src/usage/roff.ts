/** Manual pages in roff, the "man" macros that groff and mandoc share. Pure. */

import { wrapWords } from './definition.js';

/** Longer lines of source are bad style (mandoc -Tlint). */
const LINE_WIDTH = 78;

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\e',
  // groff may print a bare "-" as a hyphen, which a shell does not accept as a dash.
  '-': '\\-',
  '^': '\\(ha',
  '~': '\\(ti',
  '`': '\\(ga',
};

/** Formats text that a user types: an option, a command, a path. */
export function literal(text: string): string {
  return escape(text).replaceAll("'", '\\(aq');
}

function escape(text: string): string {
  return text.replace(/[\\\-^~`]/g, (character) => ESCAPES[character]!).replace(/[^\x20-\x7e]/gu, unicode);
}

function unicode(character: string): string {
  return `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`;
}

export function bold(text: string): string {
  return `\\fB${literal(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${literal(text)}\\fR`;
}

/** Quotes text as one argument of a macro. */
function argument(text: string): string {
  return `"${text.replaceAll('"', '\\(dq')}"`;
}

export function heading(title: string): string[] {
  return [`.SH ${argument(literal(title.toUpperCase()))}`];
}

export function subheading(title: string): string[] {
  return [`.SS ${argument(literal(title))}`];
}

export function paragraph(text: string): string[] {
  return ['.PP', ...prose(text)];
}

/** A term, in roff, and its meaning below. */
export function tagged(term: string, ...paragraphs: string[]): string[] {
  const [first = [], ...others] = paragraphs.map(prose);
  return ['.TP', ...guarded([term]), ...first, ...others.flatMap((lines) => ['.IP', ...lines])];
}

/** Lines without filling, indented. */
export function verbatim(text: string): string[] {
  return ['.PP', '.RS 4', '.EX', ...guarded(text.trimEnd().split('\n').map(literal)), '.EE', '.RE'];
}

/**
 * A command's synopsis: the fixed words, and a piece of roff for each option and argument. `.YS` turns hyphenation on
 * again.
 */
export function synopsis(command: string, pieces: readonly string[]): string[] {
  return [`.SY ${argument(literal(command))}`, ...guarded(pieces), '.YS', '.nh'];
}

/** Prints each sentence on its own line, as roff wants it. Options, and commands in quotation marks, are bold. */
function prose(text: string): string[] {
  const sentences = text.split(/(?<=[.!?]["')]*)\s+(?=["(]?[A-Z])/);
  return sentences.flatMap((sentence) => guarded(wrapWords(markUp(sentence), LINE_WIDTH)));
}

function markUp(text: string): string {
  const parts = text.split(/"((?:beeline|--)(?:[^"]*)?)"|(?<![\w-])(--[a-z][a-z-]*)/);
  // split() returns by turns the text between, the first group and the second group.
  return parts
    .map((part: string | undefined, i) => (part === undefined ? '' : i % 3 === 0 ? escape(part) : bold(part)))
    .join('');
}

/** Lines that begin with a dot or an apostrophe would be macros. */
function guarded(lines: readonly string[]): string[] {
  return lines.map((line) => (/^[.']/.test(line) ? `\\&${line}` : line));
}

export interface PageTitle {
  /** "beeline-flows" */
  readonly name: string;
  readonly section: 1 | 5;
  readonly summary: string;
  /** The program's version. */
  readonly version: string;
  /** The page's date. */
  readonly date: Date;
}

/** A whole page. */
export function page({ name, section, summary, version, date }: PageTitle, body: readonly string[]): string {
  const day = date.toISOString().slice(0, 10);
  const lines = [
    `.TH ${literal(name.toUpperCase())} ${section} ${day} ${argument(`Beeline ${version}`)} "Beeline manual"`,
    // No hyphenation, no justified lines.
    '.nh',
    '.ad l',
    ...heading('name'),
    `${literal(name)} \\- ${escape(summary)}`,
    ...body,
  ];
  // A heading begins a paragraph without .PP.
  const isHeading = (line: string | undefined): boolean => /^\.S[HS] /.test(line ?? '');
  return `${lines.filter((line, i) => line !== '.PP' || !isHeading(lines[i - 1])).join('\n')}\n`;
}
