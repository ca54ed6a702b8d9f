/** Wrong command lines in Beeline's words, where commander has others, and guesses of what was meant. */

import type { Command } from 'commander';

import { nearest, printableName, printableText } from '../model/index.js';

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
