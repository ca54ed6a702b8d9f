/** `beeline map`: the director's BPF maps, and any others of this machine, decoded and written by their BTF. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import { Command, InvalidArgumentError } from 'commander';

import type { Edited, FoundMap, InspectedMap, Maps } from '../../../inspect/index.js';
import { BeelineError } from '../../../model/index.js';
import { instanceFor, withInstance } from '../../instance.js';
import { print, printJson } from '../../terminal/print.js';
import { formatCount } from '../../terminal/format.js';
import { Budget, type ViewOptions } from './view.js';

const MAP_HELP = "the map's name; left out where --pinned or --id names it";
const KEY_HELP = 'a number, an address, "{ member: value }" or, where no type is known, bytes in hexadecimal';
const PATH_HELP = 'into the value: "entry[5].address"';
const VALUE_HELP = 'as "beeline map get" shows it, as JSON or YAML; "-": from standard input';

/** What all subcommands take. */
interface Options {
  readonly pinned?: string;
  readonly id?: string;
  readonly json?: true;
  readonly hex?: true;
  readonly raw?: true;
}

interface ViewFlags extends Options {
  readonly limit: number;
  readonly all?: true;
  readonly perCpu?: true;
  readonly from?: string;
  readonly at?: string;
}

interface EditFlags extends Options {
  readonly force?: true;
  readonly perCpu?: true;
}

export function mapCommand(): Command {
  const map = new Command('map')
    .summary("look into the director's BPF maps, or any others")
    .description(
      'Look into BPF maps, and write into them, by the type information that stands beside them in the kernel: the maps ' +
        'of this director, whether its daemon runs or not, or by --pinned and --id any others. Needs root.',
    )
    .enablePositionalOptions();
  for (const command of [listCommand(), showCommand(), dumpCommand(), getCommand(), setCommand(), deleteCommand()]) {
    map.addCommand(command);
  }
  return map;
}

function subcommand(name: string, usage: string): Command {
  return withInstance(new Command(name))
    .usage(usage)
    .option('--pinned <path>', 'a pinned map, the maps of a pinned program or link, or those pinned in a folder')
    .option('--id <id>', 'a map, or the maps of a program: 12; "map:12" or "program:12" where both have that id')
    .option('--json', 'print JSON');
}

/** What commander knows of a command line: its words, in the order that they were typed, and its options. */
type Handler<Flags> = (words: string[], flags: Flags, command: Command) => Promise<void>;

/** The name of the map is left out where --pinned or --id names it, so that what a word means is found out later. */
function withAction<Flags>(command: Command, handler: Handler<Flags>): Command {
  return command.action(async () => {
    await handler([...command.args], command.opts<object>() as Flags, command);
  });
}

function withBytes(command: Command): Command {
  return command
    .option('--hex', 'keys and values as bytes in hexadecimal, in the order of memory')
    .option('--raw', 'numbers as they lie in memory: no names, addresses, text or byte order');
}

function withView(command: Command): Command {
  return withBytes(command)
    .option('--per-cpu', "each CPU's value; counters are summed otherwise")
    .option('--limit <n>', 'at most so many entries, elements of long arrays, or lines of numbers', count, 100)
    .option('--all', 'also what is zero in arrays')
    .option('--at <path>', 'begin at this element of a long array: entry[100]');
}

function listCommand(): Command {
  return subcommand('list', '[options]')
    .summary('list the maps')
    .description('List the maps: what their keys and values are, how many entries they can have, how large they are.')
    .option('--all', 'all maps of this machine')
    .addHelpText('after', examples('beeline map list', 'beeline map list --id 12', 'beeline map list --all --json'))
    .action(async ({ all, json, ...options }: Options & { all?: true }, command: Command) => {
      const { describe, listText } = await import('./describe.js');
      const maps = await find(command, options, all);
      const described = maps.list.flatMap((found) => describe(maps, found) ?? []);
      if (json === true) {
        printJson(described);
      } else {
        print(listText(described, all === true));
      }
    });
}

function showCommand(): Command {
  const command = subcommand('show', '[options] [MAP]')
    .summary('show what a map is')
    .description('Show what a map is: type, sizes, flags, memory, pin, and the types of its keys and values as C.')
    .argument('[map]', MAP_HELP)
    .addHelpText('after', examples('beeline map show services4', 'beeline map show --pinned /sys/fs/bpf/xdp/counters'));
  return withAction(command, async (words, options: Options) => {
    const { describe, showText } = await import('./describe.js');
    const maps = await find(command, options);
    const found = maps.single && words.length === 0 ? maps.list[0]! : maps.named(take(words, 'MAP'));
    nothingMore(words);
    const described = describe(maps, found) ?? gone(found);
    if (options.json === true) {
      printJson(described);
    } else {
      print(showText(described));
    }
  });
}

function dumpCommand(): Command {
  const command = withView(subcommand('dump', '[options] [MAP]'))
    .summary("show a map's entries")
    .description(
      "Show a map's entries, page by page. What is zero in arrays is left out. Programs write meanwhile: what is shown " +
        'need not have been there at one moment.',
    )
    .argument('[map]', MAP_HELP)
    .option('--from <key>', 'begin at this key')
    .addHelpText(
      'after',
      examples(
        'beeline map dump services4',
        "beeline map dump flows4 --from 0 --at 'entry[4096]' --limit 20",
        'beeline map dump --id 12 --per-cpu --json',
      ),
    );
  return withAction(command, async (words, flags: ViewFlags) => {
    const { maps, found } = await select(command, flags, words);
    nothingMore(words);
    using map = maps.open(found, readOptions(flags));
    if (flags.at !== undefined && flags.hex !== true) {
      map.placeOf(flags.at);
    }
    const budget = new Budget(flags.limit);
    const from = flags.from === undefined ? undefined : map.parseKey(flags.from);
    if (flags.json === true) {
      const { dumpJson } = await import('./json.js');
      await write(dumpJson(map, budget, view(flags), from));
    } else {
      const { dumpText } = await import('./text.js');
      await write(dumpText(map, budget, view(flags), from, noteOn(maps, found)));
    }
    tellRest(map, budget, flags);
  });
}

function getCommand(): Command {
  const command = withView(subcommand('get', '[options] [MAP] KEY [PATH]'))
    .summary('show the value of a key, or a part of it')
    .description(
      'Show the value of a key, or the part of it that a path leads to. Queues and stacks have no key: what is next to be ' +
        'taken.',
    )
    .argument('[map]', MAP_HELP)
    .argument('[key]', KEY_HELP)
    .argument('[path]', PATH_HELP)
    .addHelpText(
      'after',
      examples(
        'beeline map get services4 0',
        "beeline map get destinations 0 'entry[1].mac'",
        'beeline map get --pinned /sys/fs/bpf/routes 10.0.0.0/8',
        "beeline map get --id map:12 '{ address: 10.0.0.1, port: 80 }' --json",
      ),
    );
  return withAction(command, async (words, flags: ViewFlags) => {
    const { maps, found } = await select(command, flags, words);
    using map = maps.open(found, readOptions(flags));
    const key = map.kind.keys === 'none' ? new Uint8Array() : map.parseKey(take(words, 'KEY'));
    const path = words.shift();
    nothingMore(words);
    const place = path === undefined ? undefined : map.placeOf(path);
    const region = map.read(key);
    if (region === undefined) {
      throw map.noEntry(key);
    }
    const budget = new Budget(flags.limit);
    if (flags.json === true) {
      const { valueJson } = await import('./json.js');
      await write(valueJson(map, map.formatKey(key), region, place, budget, view(flags)));
      print('\n');
    } else {
      const { valueText } = await import('./text.js');
      await write(valueText(map, key, region, place, budget, view(flags)));
    }
    tellRest(map, budget, flags, true);
  });
}

function setCommand(): Command {
  const command = withBytes(subcommand('set', '[options] [MAP] KEY [PATH] VALUE'))
    .summary('write a value, or a part of it')
    .description(
      'Write the value of a key, or the part of it that a path leads to. Members that the value does not name stay as they ' +
        'are. "-" reads the value from standard input. Queues and stacks have no key: the value is put in. Maps of a ' +
        'director are written with --force alone: the daemon is the only writer of its tables, its next publication ' +
        'overwrites what was set, and packets may see half of a change.',
    )
    .argument('[map]', MAP_HELP)
    .argument('[key]', KEY_HELP)
    .argument('[path]', PATH_HELP)
    .argument('[value]', VALUE_HELP)
    .option('--force', "also Beeline's own maps")
    .option('--per-cpu', 'the value is a list of one value a CPU; otherwise all get the same')
    .addHelpText(
      'after',
      examples(
        "beeline map set --id 12 5 '{ x: 1, y: 2 }'",
        'beeline map set --pinned /sys/fs/bpf/limits 10.0.0.1 rate 1000',
        "beeline map set loads 0 'entry[3].upper' 500 --force",
      ),
    );
  return withAction(command, async (words, flags: EditFlags) => {
    const { maps, found } = await select(command, flags, words);
    const { BYPASSED, setValue } = await import('../../../inspect/index.js');
    using map = maps.open(found, readOptions(flags));
    const key = map.kind.keys === 'none' ? undefined : take(words, 'KEY');
    const path = words.length > 1 ? words.shift() : undefined;
    const text = take(words, 'VALUE');
    nothingMore(words);
    const value = text === '-' ? readFileSync(0, 'utf8').trim() : text;
    const edited = setValue(map, { key, path, value, force: flags.force ?? false, perCpu: flags.perCpu ?? false });
    await tellEdit(map, edited, path, flags);
    if (found.owner !== undefined) {
      process.stderr.write(`${BYPASSED}\n`);
    }
  });
}

function deleteCommand(): Command {
  const command = withBytes(subcommand('delete', '[options] [MAP] KEY'))
    .summary('remove an entry')
    .description(
      'Remove an entry. Queues and stacks have no key: the next entry is taken. Maps of a director lose entries with ' +
        '--force alone.',
    )
    .argument('[map]', MAP_HELP)
    .argument('[key]', KEY_HELP)
    .option('--force', "also from Beeline's own maps")
    .addHelpText('after', examples('beeline map delete --id 12 5', 'beeline map delete devices 3 --force'));
  return withAction(command, async (words, flags: EditFlags) => {
    const { maps, found } = await select(command, flags, words);
    const { BYPASSED, deleteEntry, formatValue } = await import('../../../inspect/index.js');
    using map = maps.open(found, readOptions(flags));
    const text = map.kind.keys === 'none' ? undefined : take(words, 'KEY');
    nothingMore(words);
    const { key, value } = deleteEntry(map, text, flags.force);
    if (flags.json === true) {
      printJson({ map: map.name, key: jsonable(map.decodeKey(key)), value: jsonable(value) });
    } else {
      print(value === undefined ? `deleted ${map.name}[${map.formatKey(key)}]\n` : `${formatValue(value)}\n`);
    }
    if (found.owner !== undefined) {
      process.stderr.write(`${BYPASSED}\n`);
    }
  });
}

async function find(command: Command, { pinned, id }: Options, all?: true): Promise<Maps> {
  if ([pinned, id, all].filter((each) => each !== undefined).length > 1) {
    throw new BeelineError('USAGE', 'only one of --pinned, --id and --all can be given');
  }
  const { Maps: Finder } = await import('../../../inspect/index.js');
  return Finder.find({ pinDirectory: instanceFor(command).pinDirectory, pinned, id, all });
}

/** The map that a command is about, named first unless --pinned or --id names it alone. */
async function select(command: Command, options: Options, words: string[]): Promise<{ maps: Maps; found: FoundMap }> {
  const maps = await find(command, options);
  return { maps, found: maps.single ? maps.list[0]! : maps.named(take(words, 'MAP')) };
}

function take(words: string[], what: string): string {
  const word = words.shift();
  if (word === undefined) {
    throw new BeelineError('USAGE', `${what} is missing`, { hint: 'See "beeline map --help".' });
  }
  return word;
}

function nothingMore(words: readonly string[]): void {
  if (words.length > 0) {
    throw new BeelineError('USAGE', `there is something left over: ${words.join(' ')}`, {
      hint: 'Keys and values with spaces need quotes. With --pinned or --id of one map its name is left out.',
    });
  }
}

function gone({ name }: FoundMap): never {
  throw new BeelineError('MAP_UNKNOWN', `"${name}" has gone meanwhile`);
}

function readOptions({ hex, raw }: Options): { hex: boolean; plain: boolean } {
  return { hex: hex === true, plain: raw === true };
}

function view({ limit, all, perCpu, at }: ViewFlags): ViewOptions {
  return { limit, all: all === true, perCpu: perCpu === true, at };
}

/** Which of a table's two copies an element is. */
function noteOn(maps: Maps, found: FoundMap): (key: Uint8Array) => string {
  const active = maps.activeCopy(found);
  return (key) => (active === undefined ? '' : key[0] === active ? ', the copy that packets read' : ', the spare copy');
}

/** How to see what the limit left out. @param single it was one value, and the key is as it was */
function tellRest(map: InspectedMap, budget: Budget, { limit, json }: ViewFlags, single = false): void {
  const { next, skipped } = budget;
  const notes: string[] = [];
  if (map.ambiguous.length > 0 && json !== true) {
    notes.push(`${map.ambiguous.join(', ')} stand in the last array's place: nothing tells where one ends`);
  }
  if (skipped > 0 && next === undefined && json !== true) {
    notes.push(`${formatCount(skipped)} of ${formatCount(map.info.maxEntries)} elements are zero: --all shows them`);
  }
  if (next !== undefined) {
    const from = single ? '' : ` --from ${quoted(next.key)}`;
    const at = next.path === undefined ? '' : ` --at ${quoted(next.path)}`;
    notes.push(`the first ${formatCount(limit)}; go on by${from}${at}, or raise --limit`);
  }
  process.stderr.write(notes.map((note) => `${note}\n`).join(''));
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

async function tellEdit(
  map: InspectedMap,
  { key, before, after }: Edited,
  path: string | undefined,
  { json, perCpu }: EditFlags,
): Promise<void> {
  if (json === true) {
    const told = { map: map.name, key: map.decodeKey(key), path, before, after };
    printJson(JSON.parse(JSON.stringify(told, (_, each: unknown) => jsonable(each))));
    return;
  }
  const { formatValue } = await import('../../../inspect/index.js');
  const place = `${map.name}${key.length === 0 ? '' : `[${map.formatKey(key)}]`}${path === undefined ? '' : ` ${path}`}`;
  const change =
    after === undefined
      ? 'written'
      : `${before === undefined ? '' : `${formatValue(before, true)} -> `}${formatValue(after, true)}`;
  print(`${place}: ${change}${map.cpus === 1 ? '' : perCpu === true ? ' on CPU 0' : ` on each of ${map.cpus} CPUs`}\n`);
}

/** Integers that JSON's numbers cannot hold are text. */
function jsonable(value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** Text that is written at once. */
const CHUNK = 1 << 16;

/** Writes piece by piece, and waits for a reader who is slower, or has gone. */
async function write(pieces: Iterable<string>): Promise<void> {
  let text = '';
  const flush = async (): Promise<void> => {
    if (!process.stdout.write(text)) {
      await once(process.stdout, 'drain');
    }
    text = '';
    // Lets the error of a pipe that nobody reads any more arrive.
    await setImmediate();
  };
  for (const piece of pieces) {
    text += piece;
    if (text.length >= CHUNK) {
      await flush();
    }
  }
  await flush();
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  }
  return value;
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
