/** What may come next on a command line, from the commands' definitions. Pure. */

import type { ArgumentDefinition, Candidate, Definition, Given, OptionDefinition, Source } from './definition.js';

/** What a word may be. */
export interface Completion {
  /** What is offered by name. */
  readonly candidates: readonly Candidate[];
  /** Where else to look. */
  readonly source: Source | undefined;
  /** What the source is told. */
  readonly given: Given;
  /** What of the word is there already, without `prefix`. */
  readonly current: string;
  /** What stands before the candidates in the same word: "--server=". */
  readonly prefix: string;
  /** With the source "program": which of the words is the program's name. */
  readonly programAt: number;
}

/** Commander's own: what follows it is the name of a command. */
const HELP = { value: 'help', description: 'show help for a command' } as const;

/** How far a command line has been read. */
interface State {
  readonly command: Definition;
  /** Arguments that were read. */
  readonly count: number;
  readonly given: Given;
  /** The option whose value comes next. */
  readonly pending: OptionDefinition | undefined;
  /** Words with dashes are arguments too. */
  readonly operandsOnly: boolean;
}

/** @param words those after the program's name, the last being the one to complete, empty if it has not begun */
export function complete(program: Definition, words: readonly string[]): Completion {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const start: State = { command: program, count: 0, given: {}, pending: undefined, operandsOnly: false };
  const state = before.reduce(read, start);
  const { command, pending, operandsOnly, given } = state;
  const none = { candidates: [], source: undefined, given, current, prefix: '', programAt: 0 };
  if (command.commands.length > 0 && state.count > 0) {
    // There is no such command.
    return none;
  }
  if (pending !== undefined) {
    return { ...none, ...valuesOf(pending) };
  }
  if (!operandsOnly && current.startsWith('-')) {
    const [, flag = '', value = ''] = /^(--[^=]+)=(.*)$/s.exec(current) ?? [];
    const option = optionOf(command, flag);
    return option?.value === undefined
      ? { ...none, candidates: optionCandidates(command, given) }
      : { ...none, ...valuesOf(option), current: value, prefix: `${flag}=` };
  }
  if (command.commands.length > 0 && state.count === 0) {
    return { ...none, candidates: [...command.commands.map(commandCandidate), HELP] };
  }
  const index = placeOf(command, state.count);
  const place = command.arguments[index];
  return place === undefined ? none : { ...none, ...valuesOf(place), programAt: before.length - (state.count - index) };
}

function read(state: State, word: string): State {
  const { command, count, given, pending, operandsOnly } = state;
  if (pending !== undefined) {
    return { ...state, given: { ...given, [keyOf(pending)]: word }, pending: undefined };
  }
  if (!operandsOnly && word === '--') {
    return { ...state, operandsOnly: true };
  }
  if (!operandsOnly && word.startsWith('-') && word !== '-') {
    return readOption(state, word);
  }
  if (word === HELP.value && count === 0 && command.commands.length > 0) {
    return state;
  }
  const below = count === 0 ? command.commands.find((each) => namesOf(each).includes(word)) : undefined;
  if (below !== undefined) {
    return { ...state, command: below };
  }
  const place = command.arguments[placeOf(command, count)];
  return {
    ...state,
    count: count + 1,
    given: place === undefined ? given : { ...given, [place.name]: word },
    operandsOnly: operandsOnly || command.passesThrough,
  };
}

function readOption(state: State, word: string): State {
  const [, flag = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
  const option = optionOf(state.command, flag);
  if (option === undefined) {
    return state;
  }
  const given = { ...state.given, [keyOf(option)]: value ?? '' };
  return { ...state, given, pending: option.value?.required === true && value === undefined ? option : undefined };
}

function namesOf({ path, aliases }: Definition): readonly string[] {
  return [path.at(-1)!, ...aliases];
}

function optionOf({ options }: Definition, flag: string): OptionDefinition | undefined {
  return options.find(({ flags }) => flags.includes(flag));
}

function keyOf({ flags }: OptionDefinition): string {
  return flags.at(-1)!;
}

/** The argument that the next word is: the last one takes many, if any does. */
function placeOf({ arguments: places }: Definition, count: number): number {
  const last = places.length - 1;
  return places[last]?.variadic === true ? Math.min(count, last) : count;
}

function valuesOf({
  choices,
  source,
}: ArgumentDefinition | OptionDefinition): Pick<Completion, 'candidates' | 'source'> {
  const named = choices ?? (Array.isArray(source) ? (source as readonly string[]) : []);
  return { candidates: named.map((value) => ({ value })), source: Array.isArray(source) ? undefined : source };
}

function commandCandidate({ path, summary }: Definition): Candidate {
  return { value: path.at(-1)!, description: summary };
}

/** An option that stands there need not stand there again. */
function optionCandidates({ options }: Definition, given: Given): Candidate[] {
  return options
    .filter((option) => given[keyOf(option)] === undefined || option.value?.variadic === true)
    .map((option) => ({ value: keyOf(option), description: option.description }));
}
