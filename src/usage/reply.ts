/** What shells are told about a word: first where else to look, then what is offered, a line each. Pure. */

import type { Completion } from './complete.js';
import type { Candidate, Source } from './definition.js';
import { quoteWord, splitWords, type Word } from './words.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export interface Question {
  /** Those after the program's name, the last being the one to complete. */
  readonly words: readonly string[];
  /** The last one as bash has it. */
  readonly last?: Word;
  /** What of it bash replaces. */
  readonly replaced?: string;
}

/**
 * What a shell asks: bash with its line up to the cursor and the piece of it that will be replaced, since it takes colons
 * for the ends of words; the others with their words.
 */
export function question(shell: Shell, args: readonly string[]): Question {
  if (shell !== 'bash') {
    return { words: args };
  }
  const [line = '', replaced = ''] = args;
  const all = splitWords(line).slice(1);
  return { words: all.map(({ value }) => value), last: all.at(-1) ?? { raw: '', value: '', quote: '' }, replaced };
}

/** @param candidates all that are offered, the source's among them */
export function reply(
  shell: Shell,
  { words, last, replaced = '' }: Question,
  { source, programAt, prefix, current }: Completion,
  candidates: readonly Candidate[],
): string {
  const offered =
    shell === 'bash'
      ? bashWords(last!, replaced, prefix, current, candidates)
      : candidates.map(({ value, description }) => {
          const word = shell === 'fish' ? prefix + value : value;
          return description === undefined ? word : `${word}\t${description}`;
        });
  return [whereElse(shell, source, programAt, words.length - 1), ...offered].map((line) => `${line}\n`).join('');
}

/** A command line in a command line is for the other shells to complete; bash is told what the word is. */
function whereElse(shell: Shell, source: Source | undefined, programAt: number, at: number): string {
  if (source === 'program') {
    return shell === 'bash' ? (programAt === at ? 'command' : 'file') : `program ${programAt}`;
  }
  return typeof source === 'string' ? source : 'none';
}

/** Bash replaces a piece of the word, and takes what it is given literally: the rest of each that fits, quoted. */
function bashWords(
  { raw, quote }: Word,
  replaced: string,
  prefix: string,
  current: string,
  candidates: readonly Candidate[],
): string[] {
  const kept = splitWords(raw.slice(0, raw.length - replaced.length))[0]!;
  const isWithin = raw.endsWith(replaced) && !/^["']/.test(replaced);
  return candidates
    .filter(({ value }) => value.startsWith(current))
    .map(({ value }) => (prefix + value).slice(isWithin ? kept.value.length : 0))
    .map((rest) => quoteWord(rest, isWithin ? quote : ''));
}
