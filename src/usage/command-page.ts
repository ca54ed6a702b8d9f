/** Manual pages of commands, from the same definitions as their help. Pure. */

import type { ArgumentDefinition, Block, Definition, Example, OptionDefinition, Section } from './definition.js';
import { bold, heading, italic, page, paragraph, subheading, synopsis, tagged, verbatim } from './roff.js';

export interface Page {
  /** "beeline-flows.1" */
  readonly file: string;
  readonly text: string;
}

/** The text of the manual beside the commands' definitions. */
export interface ManualDetails {
  readonly version: string;
  readonly date: Date;
  /** The meaning of every exit status. */
  readonly exitStatuses: Readonly<Record<number, string>>;
  /** The first paragraphs of the program's page, in place of its short description. */
  readonly introduction: readonly string[];
  /** More sections of the program's page; --help does not show them. */
  readonly sections: readonly Section[];
  /** The exit statuses that every command may have. */
  readonly commonStatuses: readonly number[];
  /** Pages that are not of a command: "beeline.yaml(5)". */
  readonly otherPages: readonly string[];
}

/** Makes the program's page and one for each command. Subcommands are on their command's page. */
export function commandPages(program: Definition, details: ManualDetails): Page[] {
  return [overviewPage(program, details), ...program.commands.map((each) => commandPage(each, program, details))];
}

function overviewPage(program: Definition, details: ManualDetails): Page {
  const { version, date, exitStatuses } = details;
  const title = {
    name: pageName(program),
    section: 1,
    summary: withoutFullStop(program.description).replace(/^(An?|The) /, (article) => article.toLowerCase()),
    version,
    date,
  } as const;
  const body = [
    ...heading('synopsis'),
    ...synopsis(program.path.join(' '), [
      ...program.options.map(optionSynopsis),
      italic('command'),
      '[\\fIargument\\fR\\~.\\|.\\|.]',
    ]),
    ...heading('description'),
    ...details.introduction.flatMap(paragraph),
    ...heading('commands'),
    ...program.commands.flatMap((each) => tagged(`${bold(pageName(each))}(1)`, sentence(each.summary))),
    ...heading('options'),
    ...program.options.flatMap(optionEntry),
    ...program.sections.flatMap(section),
    ...statusSection(Object.keys(exitStatuses).map(Number), exitStatuses),
    ...details.sections.flatMap(section),
    ...exampleSection(program.examples),
    ...seeAlso([...program.commands.map((each) => `${pageName(each)}(1)`), ...details.otherPages]),
  ];
  return { file: `${title.name}.1`, text: page(title, body) };
}

function commandPage(command: Definition, program: Definition, details: ManualDetails): Page {
  const { version, date, exitStatuses, commonStatuses } = details;
  const title = {
    name: pageName(command),
    section: 1,
    summary: withoutFullStop(command.summary),
    version,
    date,
  } as const;
  const all = [command, ...everyBelow(command)];
  const leaves = all.filter(({ commands }) => commands.length === 0);
  const statuses = [...new Set([...commonStatuses, ...all.flatMap((each) => each.exitStatuses)])].sort((a, b) => a - b);
  const body = [
    ...heading('synopsis'),
    ...leaves.flatMap(commandSynopsis),
    ...heading('description'),
    ...paragraph(command.description),
    ...entries(command),
    ...(leaves.length > 1 || leaves[0] !== command ? [...heading('commands'), ...leaves.flatMap(subcommand)] : []),
    ...command.sections.flatMap(section),
    ...(command.ownStatuses === undefined
      ? statusSection(statuses, exitStatuses)
      : statusSection(Object.keys(command.ownStatuses).map(Number), command.ownStatuses)),
    ...exampleSection(all.flatMap(({ examples }) => examples)),
    ...seeAlso(['beeline(1)', ...related(command, program), ...details.otherPages]),
  ];
  return { file: `${title.name}.1`, text: page(title, body) };
}

function pageName({ path }: Definition): string {
  return path.join('-');
}

function everyBelow({ commands }: Definition): Definition[] {
  return commands.flatMap((each) => [each, ...everyBelow(each)]);
}

function commandSynopsis({ path, arguments: places, options }: Definition): string[] {
  return synopsis(path.join(' '), [...options.filter(isOwn).map(optionSynopsis), ...places.map(argumentSynopsis)]);
}

/** Returns false for --help, which every command has: only the program's page lists it. */
function isOwn({ flags }: OptionDefinition): boolean {
  return !flags.includes('--help');
}

function optionSynopsis(option: OptionDefinition): string {
  return `[${bold(option.flags.at(-1)!)}${optionValue(option, '\\~')}]`;
}

function optionValue({ value }: OptionDefinition, space: string): string {
  if (value === undefined) {
    return '';
  }
  const name = italic(value.name) + (value.variadic ? '\\~.\\|.\\|.' : '');
  return value.required ? space + name : `[=${name}]`;
}

function argumentSynopsis({ name, required, variadic }: ArgumentDefinition): string {
  const text = italic(name) + (variadic ? '\\~.\\|.\\|.' : '');
  return required ? text : `[${text}]`;
}

/** The part of a command's page that is about a subcommand. */
function subcommand(definition: Definition): string[] {
  const { path, description, sections } = definition;
  return [
    ...subheading(path.join(' ')),
    ...paragraph(description),
    ...definition.arguments.flatMap(argumentEntry),
    ...definition.options.filter(isOwn).flatMap(optionEntry),
    ...sections.flatMap(({ title, blocks }) => [...paragraph(`${title}:`), ...blocks.flatMap(blockLines)]),
  ];
}

function entries({ arguments: places, options }: Definition): string[] {
  const own = options.filter(isOwn);
  return [
    ...(places.length === 0 ? [] : [...heading('arguments'), ...places.flatMap(argumentEntry)]),
    ...(own.length === 0 ? [] : [...heading('options'), ...own.flatMap(optionEntry)]),
  ];
}

function argumentEntry({ name, description, choices, default: fallback }: ArgumentDefinition): string[] {
  return tagged(italic(name), sentence(description) + limits(choices, fallback));
}

function optionEntry(option: OptionDefinition): string[] {
  const { flags, description, choices, default: fallback } = option;
  const term = flags.map(bold).join(', ') + optionValue(option, ' ');
  return tagged(term, sentence(description) + limits(choices, fallback));
}

function limits(choices: readonly string[] | undefined, fallback: string | undefined): string {
  const among = choices === undefined ? '' : ` One of ${listed(choices, 'and')}.`;
  return among + (fallback === undefined ? '' : ` Default: ${fallback}.`);
}

/** "a", "a or b", "a, b or c" */
export function listed(items: readonly string[], word: 'and' | 'or'): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} ${word} ${items.at(-1)!}`;
}

/** Makes a sentence of a phrase: the manual has sentences where help has phrases. */
function sentence(phrase: string): string {
  const begun = phrase.slice(0, 1).toUpperCase() + phrase.slice(1);
  return /[.!?]$/.test(begun) || begun === '' ? begun : `${begun}.`;
}

function withoutFullStop(text: string): string {
  return text.replace(/\.$/, '');
}

function section({ title, blocks }: Section): string[] {
  return [...heading(title), ...blocks.flatMap(blockLines)];
}

function blockLines(block: Block): string[] {
  return typeof block === 'string'
    ? paragraph(block)
    : block.flatMap(([term, meaning]) => tagged(bold(term), sentence(meaning)));
}

function statusSection(statuses: readonly number[], meanings: Readonly<Record<number, string>>): string[] {
  return [
    ...heading('exit status'),
    ...statuses.flatMap((status) => tagged(bold(String(status)), meanings[status] ?? '')),
  ];
}

function exampleSection(examples: readonly Example[]): string[] {
  if (examples.length === 0) {
    return [];
  }
  return [
    ...heading('examples'),
    ...examples.flatMap(({ command, meaning }) => [
      ...paragraph(`${sentence(meaning).slice(0, -1)}:`),
      ...verbatim(command),
    ]),
  ];
}

/** Lists the other commands that a command's page mentions. */
function related(command: Definition, program: Definition): string[] {
  const all = [command, ...everyBelow(command)];
  const text = JSON.stringify(all.map(({ description, sections, examples }) => [description, sections, examples]));
  return program.commands
    .filter((each) => each !== command && new RegExp(`${each.path.join(' ')}\\b`).test(text))
    .map((each) => `${pageName(each)}(1)`);
}

function seeAlso(pages: readonly string[]): string[] {
  const last = pages.length - 1;
  return [
    ...heading('see also'),
    ...pages.map(
      (each, i) =>
        each.replace(/^(.*)(\(\d\))$/, (_, name: string, number: string) => bold(name) + number) +
        (i === last ? '' : ','),
    ),
  ];
}
