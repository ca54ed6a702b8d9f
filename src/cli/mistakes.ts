/** Wrong command lines in Beeline's words, where commander has others, and guesses of what was meant. */

import type { Command } from 'commander';

import { printableName, printableText } from '../model/index.js';

/** By the beginning of commander's message: how Beeline says it. Groups of the pattern are the parts of the message. */
const WORDS: readonly (readonly [pattern: RegExp, words: (...parts: string[]) => string])[] = [
  [/^unknown option '(.*)'$/s, (flag) => `there is no option ${flag}`],
  [/^unknown command '(.*)'$/s, (name) => `there is no command "${name}"`],
  [/^missing required argument '(.*)'$/, (name) => `<${name}> is missing`],
  [/^option '(?:-\w, )?(.*)' argument missing$/, (flags) => `the value is missing: ${flags}`],
  [/^required option '(.*)' not specified$/, (flags) => `the option ${flags} is missing`],
  [
    /^too many arguments(?: for '.*')?\. Expected (\d+) arguments? but got (\d+)\.$/,
    (most, given) => `too many arguments: ${given}, and there may be ${most === '0' ? 'none' : `at most ${most}`}`,
  ],
  [
    /^option '(?:-\w, )?(--[\w-]+|-\w).*?' argument '(.*)' is invalid\. (.*)$/s,
    (flag, value, why) => `"${value}" cannot be the value of ${flag}: ${lowerFirst(why)}`,
  ],
  [
    /^command-argument value '(.*)' is invalid for argument '(.*)'\. (.*)$/s,
    (value, name, why) => `"${value}" cannot be <${name}>: ${lowerFirst(why)}`,
  ],
];

/** "It must be an IP address." → "it must be an IP address" */
function lowerFirst(sentence: string): string {
  return (sentence.slice(0, 1).toLowerCase() + sentence.slice(1))
    .replace(/^allowed choices are (.*)/, 'choose one of $1')
    .replace(/\.$/, '');
}

/** Returns commander's message in Beeline's words and style, with a guess, and where to read more. */
export function wordsFor(message: string, command: Command): string {
  const said = message.trim().replace(/^error: /, '');
  const path = pathOf(command).join(' ');
  for (const [pattern, words] of WORDS) {
    const [, ...parts] = pattern.exec(said) ?? [];
    if (parts.length > 0) {
      const text = words(...parts.map(printableName));
      return `beeline: ${text}${guess(said, parts[0]!, command)}\nSee "${path} --help".\n`;
    }
  }
  return `beeline: ${printableText(said)}\nSee "${path} --help".\n`;
}

/** ["beeline", "mark", "add"] */
function pathOf(command: Command): string[] {
  return [...(command.parent === null ? [] : pathOf(command.parent)), command.name()];
}

function guess(said: string, word: string, command: Command): string {
  const names = said.startsWith('unknown command')
    ? command.createHelp().visibleCommands(command)
    : said.startsWith('unknown option')
      ? command.createHelp().visibleOptions(command)
      : [];
  const meant = nearest(
    word,
    names.flatMap((each) => ('long' in each ? (each.long ?? []) : each.name())),
  );
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

/**
 * Returns the name that a word is a slip of: of one letter, or two in a long word, and not of the first one. A wider guess
 * could lead from a command that another program has to one that changes what is running: from "top" to "stop".
 */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const bare = (text: string): string => text.replace(/^--/, '');
  const most = bare(word).length >= 7 ? 2 : 1;
  const [best] = names
    .filter((name) => bare(name).length > 1 && bare(name).startsWith(bare(word).slice(0, 1)))
    .map((name) => ({ name, slips: slipsBetween(bare(word), bare(name)) }))
    .filter(({ slips }) => slips <= most)
    .sort((a, b) => a.slips - b.slips);
  return best?.name;
}

/** Returns how many letters are wrong, missing, too many, or exchanged with the next one. */
function slipsBetween(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const [above, row] = [rows[i - 1]!, [i]];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          above[j]! + 1,
          row[j - 1]! + 1,
          above[j - 1]! + (same ? 0 : 1),
          exchanged ? rows[i - 2]![j - 2]! + 1 : Infinity,
        ),
      );
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
