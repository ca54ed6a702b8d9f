/** Finds what may come next on an ipvsadm command line, for shells. Pure. */

import { SCHEDULER_FLAGS, SCHEDULERS } from '../model/index.js';
import { HELP } from './help.js';
import { LEGAL } from './legality.js';
import { type CommandName, COMMANDS, type Word, WORDS } from './options.js';

type Spelled = (typeof WORDS)[number];

/** What the next word is: one of some words, or the name of something that the director has. */
export type Next =
  | { readonly kind: 'words'; readonly words: readonly { readonly value: string; readonly description?: string }[] }
  | { readonly kind: 'service'; readonly of: 'tcp' | 'udp' | 'mark' }
  /** `service` as far as it is named: "tcp 192.168.1.100:80". */
  | { readonly kind: 'real-server'; readonly service: string | undefined };

/** How far a command line has been read. */
interface Read {
  readonly given: readonly Word[];
  readonly service: string | undefined;
  /** The option that takes the next word. */
  readonly pending: Word | undefined;
}

/** @param before the words before the one to complete, without the program's name */
export function nextWord(before: readonly string[], current: string): Next {
  const { given, service, pending } = before.reduce(read, { given: [], service: undefined, pending: undefined });
  switch (pending) {
    case 'tcp-service':
      return { kind: 'service', of: 'tcp' };
    case 'udp-service':
      return { kind: 'service', of: 'udp' };
    case 'fwmark-service':
      return { kind: 'service', of: 'mark' };
    case 'real-server':
      return { kind: 'real-server', service };
    case 'scheduler':
      return { kind: 'words', words: SCHEDULERS.map((value) => ({ value })) };
    case 'sched-flags':
      return { kind: 'words', words: SCHEDULER_FLAGS.map((value) => ({ value })) };
    case undefined:
      return { kind: 'words', words: offered(given, current) };
    default:
      return { kind: 'words', words: [] };
  }
}

function read({ given, service, pending }: Read, word: string): Read {
  if (pending !== undefined) {
    return { given, service: serviceOf(pending, word) ?? service, pending: undefined };
  }
  if (word.startsWith('--')) {
    const [name = '', value] = word.slice(2).split('=');
    const option = WORDS.find(({ long }) => long === name);
    const isWaiting = option?.argument === 'required' && value === undefined;
    return {
      given: option === undefined ? given : [...given, option.name],
      service: (value === undefined || option === undefined ? undefined : serviceOf(option.name, value)) ?? service,
      pending: isWaiting ? option.name : undefined,
    };
  }
  return word.startsWith('-') ? readJoined({ given, service, pending }, word.slice(1)) : { given, service, pending };
}

/** Reads joined short options: "Ln", "t192.168.1.100:80". */
function readJoined(before: Read, letters: string): Read {
  const option = letters === '' ? undefined : WORDS.find(({ short }) => short === letters[0]);
  if (option === undefined) {
    return before;
  }
  const rest = letters.slice(1);
  const after = { ...before, given: [...before.given, option.name] };
  if (option.argument === undefined) {
    return readJoined(after, rest);
  }
  return rest === ''
    ? { ...after, pending: option.argument === 'required' ? option.name : undefined }
    : { ...after, service: serviceOf(option.name, rest.replace(/^=/, '')) ?? before.service };
}

function serviceOf(name: Word, value: string): string | undefined {
  switch (name) {
    case 'tcp-service':
      return `tcp ${value}`;
    case 'udp-service':
      return `udp ${value}`;
    case 'fwmark-service':
      return `fwm ${value}`;
    default:
      return undefined;
  }
}

/** The names by which legality.ts knows some options. */
const GROUPS: Readonly<Partial<Record<Word, string>>> = {
  'tcp-service': 'service-address',
  'udp-service': 'service-address',
  'fwmark-service': 'service-address',
  gatewaying: 'forwarding-method',
};

/** Offers commands, or the options that the command allows and that are not given yet. */
function offered(given: readonly Word[], current: string): { value: string; description: string }[] {
  const command = given.find((name): name is CommandName => (COMMANDS as readonly Word[]).includes(name));
  const taken = new Set(given.map((name) => GROUPS[name] ?? name));
  const legal = command === undefined ? undefined : new Set(Object.keys(LEGAL[command]));
  const isOffered = ({ name }: Spelled): boolean => {
    const group = GROUPS[name] ?? name;
    return legal === undefined
      ? (COMMANDS as readonly Word[]).includes(name) || name === 'help' || name === 'version'
      : legal.has(group) && !taken.has(group);
  };
  // -l is the second spelling of -L.
  return WORDS.filter((option) => isOffered(option) && option.short !== 'l').flatMap((option) => {
    const description = DESCRIPTIONS.get(option.long);
    const { long, short } = option;
    const value = short === undefined || current.startsWith('--') ? `--${long}` : `-${short}`;
    // What Beeline does not have is not in the help.
    return description === undefined ? [] : [{ value, description }];
  });
}

/** By the long name, what the help says of an option: the last column of its line. */
const DESCRIPTIONS: ReadonlyMap<string, string> = new Map(
  HELP.split('\n').flatMap((line): [string, string][] => {
    const columns = line.trim().split(/ {2,}/);
    const names = columns.length > 1 && line.startsWith('  --') ? columns[0]!.matchAll(/--([\w-]+)/g) : [];
    return Array.from(names, ([, name]) => [name!, columns.at(-1)!.replace(/^\.\.\. /, '')]);
  }),
);
