/** The commands' definitions as plain values, for the manual and for completion. */

import type { Argument, Command, Option } from 'commander';

/** A word that a shell offers, and its meaning. */
export interface Candidate {
  readonly value: string;
  readonly description?: string | undefined;
}

/** The words on the command line so far: arguments by name ("service"), options by flag ("--instance"). */
export type Given = Readonly<Partial<Record<string, string>>>;

/**
 * Where a shell finds the words for an argument or an option: among files, folders or programs, in a list, or from a
 * function. `current` is the part of the word that is typed already, `before` the words that the same argument has taken
 * already; the function may ignore both.
 */
export type Source =
  | 'file'
  | 'directory'
  | 'program'
  | readonly string[]
  | ((
      given: Given,
      current: string,
      before: readonly string[],
    ) => readonly Candidate[] | Promise<readonly Candidate[]>);

export interface Example {
  /** A command line. */
  readonly command: string;
  /** Its effect, in the imperative, without a full stop. */
  readonly meaning: string;
}

/** A paragraph, or a list of terms and their meanings. */
export type Block = string | readonly (readonly [term: string, meaning: string])[];

/** A section with its own title, for example "NOTES". */
export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

export interface ArgumentDefinition {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly choices: readonly string[] | undefined;
  readonly default: string | undefined;
  readonly source: Source | undefined;
}

export interface OptionDefinition {
  /** The short and the long flag, as far as they exist: "-V", "--version". */
  readonly flags: readonly string[];
  /** Undefined: the option takes no value. */
  readonly value: { readonly name: string; readonly required: boolean; readonly variadic: boolean } | undefined;
  readonly description: string;
  readonly choices: readonly string[] | undefined;
  readonly default: string | undefined;
  readonly source: Source | undefined;
}

export interface Definition {
  /** The names from the program to the command: ["beeline", "lab", "up"]. */
  readonly path: readonly string[];
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly arguments: readonly ArgumentDefinition[];
  readonly options: readonly OptionDefinition[];
  readonly commands: readonly Definition[];
  /** Whether the words after the first argument, options included, belong to another program. */
  readonly passesThrough: boolean;
  /** Whether all words after the command's name belong to another program, options included. */
  readonly isForeign: boolean;
  readonly sections: readonly Section[];
  readonly examples: readonly Example[];
  /** Exit statuses beside those that every command may have. */
  readonly exitStatuses: readonly number[];
  /** The meanings of the exit statuses of a command that has a set for itself. */
  readonly ownStatuses?: Readonly<Record<number, string>> | undefined;
}

/** The parts of a definition that commander cannot hold. */
interface Extras {
  sections: readonly Section[];
  examples: readonly Example[];
  exitStatuses: readonly number[];
  ownStatuses?: Readonly<Record<number, string>> | undefined;
}

const extras = new WeakMap<Command, Extras>();
const sources = new WeakMap<Argument | Option, Source>();

function extrasOf(command: Command): Extras {
  return extras.get(command) ?? { sections: [], examples: [], exitStatuses: [] };
}

/** Sets what a shell offers for an argument or for an option's value. */
export function completes<Place extends Argument | Option>(place: Place, source: Source): Place {
  sources.set(place, source);
  return place;
}

/** Adds examples to help and manual: command lines, and what each does. */
export function withExamples(
  command: Command,
  ...examples: readonly (readonly [line: string, meaning: string])[]
): Command {
  const added = examples.map(([line, meaning]) => ({ command: line, meaning }));
  const before = extrasOf(command);
  extras.set(command, { ...before, examples: [...before.examples, ...added] });
  const lines = added.map(({ command: line, meaning }) => `  ${meaning}:\n    ${line}\n`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('')}`.trimEnd());
}

/** Adds a section to help and manual. */
export function withSection(command: Command, title: string, ...blocks: Block[]): Command {
  const before = extrasOf(command);
  extras.set(command, { ...before, sections: [...before.sections, { title, blocks }] });
  return command.addHelpText('after', `\n${title}:\n${blocks.map(formatBlock).join('\n')}`.trimEnd());
}

/** Sets the exit statuses of a command that has a set for itself. */
export function endsAs(command: Command, meanings: Readonly<Record<number, string>>): Command {
  extras.set(command, { ...extrasOf(command), ownStatuses: meanings });
  return command;
}

/** Adds exit statuses that not every command has. */
export function exitsWith(command: Command, ...statuses: number[]): Command {
  const before = extrasOf(command);
  extras.set(command, { ...before, exitStatuses: [...before.exitStatuses, ...statuses] });
  return command;
}

/** The width that commander gives its help without a terminal. */
const HELP_WIDTH = 80;

function formatBlock(block: Block): string {
  if (typeof block === 'string') {
    return wrapWords(block, HELP_WIDTH - 2)
      .map((line) => `  ${line}\n`)
      .join('');
  }
  const width = Math.max(...block.map(([term]) => term.length));
  const lines = block.flatMap(([term, meaning]) =>
    wrapWords(meaning, HELP_WIDTH - width - 4).map((line, i) => `  ${(i === 0 ? term : '').padEnd(width)}  ${line}\n`),
  );
  return lines.join('');
}

/** Breaks text into lines of at most `width` characters; a longer word gets its own line. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

/** Defines a command and all commands below it, without hidden ones. */
export function define(command: Command, above: readonly string[] = []): Definition {
  const path = [...above, command.name()];
  const help = command.createHelp();
  const shown = new Set(help.visibleCommands(command));
  return {
    path,
    aliases: command.aliases(),
    summary: command.summary() === '' ? command.description() : command.summary(),
    description: command.description(),
    arguments: command.registeredArguments.map(defineArgument),
    options: help.visibleOptions(command).map(defineOption),
    // Without commander's own "help".
    commands: command.commands.filter((each) => shown.has(each)).map((each) => define(each, path)),
    // Commander has no accessor for it.
    passesThrough: Reflect.get(command, '_passThroughOptions') === true,
    isForeign: Reflect.get(command, '_allowUnknownOption') === true,
    ...extrasOf(command),
  };
}

function defineArgument(argument: Argument): ArgumentDefinition {
  const { description, required, variadic, argChoices: choices } = argument;
  const fallback = defaultOf(argument);
  return {
    name: argument.name(),
    description,
    required,
    variadic,
    choices,
    default: fallback,
    source: sources.get(argument),
  };
}

function defineOption(option: Option): OptionDefinition {
  const { short, long, flags, required, optional, variadic, description, argChoices: choices } = option;
  const [, name] = /[<[]([^>\]]+?)(?:\.\.\.)?[>\]]/.exec(flags) ?? [];
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    value: name === undefined || !(required || optional) ? undefined : { name, required, variadic },
    description,
    choices,
    default: option.isBoolean() ? undefined : defaultOf(option),
    source: sources.get(option),
  };
}

function defaultOf({ defaultValue, defaultValueDescription }: Argument | Option): string | undefined {
  if (defaultValueDescription !== undefined) {
    return defaultValueDescription;
  }
  const value: unknown = defaultValue;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
