/** Finds what may come next on a command line, from the commands' definitions. Pure. */

import type { ArgumentDefinition, Candidate, Definition, Given, OptionDefinition, Source } from './definition.js';

/** The words that the last word of a command line may become. */
export interface Completion {
  /** Words to offer. */
  readonly candidates: readonly Candidate[];
  /** Where to look for more. */
  readonly source: Source | undefined;
  /** The rest of the command line, for the source. */
  readonly given: Given;
  /** The words that the argument to complete has taken already. */
  readonly before: readonly string[];
  /** The part of the word that is typed already, without `prefix`. */
  readonly current: string;
  /** The part of the word before the candidates: "--server=". */
  readonly prefix: string;
  /** With the source "program": the index of the word that is the program's name. */
  readonly programAt: number;
}

/** Commander's own command; the name of a command follows it. */
const HELP = { value: 'help', description: 'show help for a command' } as const;

/** How far a command line has been read. */
interface State {
  readonly command: Definition;
  /** The arguments that were read. */
  readonly words: readonly string[];
  readonly given: Given;
  /** The option that takes the next word as its value. */
  readonly pending: OptionDefinition | undefined;
  /** Whether words with dashes are arguments too: after "--". */
  readonly operandsOnly: boolean;
}

/** @param words the words after the program's name; the last one is to be completed, and may be empty */
export function complete(program: Definition, words: readonly string[]): Completion {
  const earlier = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const start: State = { command: program, words: [], given: {}, pending: undefined, operandsOnly: false };
  const state = earlier.reduce(read, start);
  const { command, pending, operandsOnly, given } = state;
  const count = state.words.length;
  const none = { candidates: [], source: undefined, given, before: [], current, prefix: '', programAt: 0 };
  if (command.commands.length > 0 && count > 0) {
    // The word before is not a command.
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
  if (command.commands.length > 0 && count === 0) {
    return { ...none, candidates: [...command.commands.map(commandCandidate), HELP] };
  }
  const index = argumentIndex(command, count);
  const place = command.arguments[index];
  return place === undefined
    ? none
    : {
        ...none,
        ...valuesOf(place),
        before: state.words.slice(index),
        programAt: earlier.length - (count - index),
      };
}

function read(state: State, word: string): State {
  const { command, given, pending, operandsOnly } = state;
  const count = state.words.length;
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
    return { ...state, command: below, operandsOnly: operandsOnly || below.isForeign };
  }
  const place = command.arguments[argumentIndex(command, count)];
  return {
    ...state,
    words: [...state.words, word],
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

/** Returns the index of the argument that the next word is for. Only the last argument may take many words. */
function argumentIndex({ arguments: places }: Definition, count: number): number {
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

/** Offers the options that are not given yet, or may be repeated. */
function optionCandidates({ options }: Definition, given: Given): Candidate[] {
  return options
    .filter((option) => given[keyOf(option)] === undefined || option.value?.variadic === true)
    .map((option) => ({ value: keyOf(option), description: option.description }));
}
