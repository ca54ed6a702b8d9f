/** The answer to a shell: a line that says where to look for more, then a line for each candidate. Pure. */

import type { Completion } from './complete.js';
import type { Candidate, Source } from './definition.js';
import { quoteWord, splitWords, type Word } from './words.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export interface Question {
  /** The words after the program's name; the last one is to be completed. */
  readonly words: readonly string[];
  /** The last word, as bash has it. */
  readonly last?: Word;
  /** The part of the last word that bash replaces. */
  readonly replaced?: string;
}

/**
 * Reads a shell's question. Bash sends its line up to the cursor and the part of it that will be replaced, since it ends
 * words at colons; the others send their words.
 */
export function question(shell: Shell, args: readonly string[]): Question {
  if (shell !== 'bash') {
    return { words: args };
  }
  const [line = '', replaced = ''] = args;
  const all = splitWords(line).slice(1);
  return { words: all.map(({ value }) => value), last: all.at(-1) ?? { raw: '', value: '', quote: '' }, replaced };
}

/** @param candidates all candidates, including those of the source */
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
  return [sourceLine(shell, source, programAt, words.length - 1), ...offered].map((line) => `${line}\n`).join('');
}

/** The line that says where to look for more. Zsh and fish complete a command line within a command line; bash does not. */
function sourceLine(shell: Shell, source: Source | undefined, programAt: number, at: number): string {
  if (source === 'program') {
    return shell === 'bash' ? (programAt === at ? 'command' : 'file') : `program ${programAt}`;
  }
  return typeof source === 'string' ? source : 'none';
}

/** Returns what bash inserts for each candidate, quoted: bash replaces a part of the word and adds no quotes itself. */
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
