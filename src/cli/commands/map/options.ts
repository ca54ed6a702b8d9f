/** Options and arguments that the subcommands of `beeline map` share. */

import { Command, InvalidArgumentError } from 'commander';

import type { ReadOptions } from '../../../inspect/index.js';
import { withInstance } from '../../instance.js';
import type { ViewOptions } from './view.js';

export const MAP_HELP = 'name of the map; omit it if --pinned or --id names a single map';
export const KEY_HELP = 'a number, an address, "{ member: value }" or, without BTF, bytes in hexadecimal';
export const PATH_HELP = 'part of the value, for example "entry[5].address"';
export const VALUE_HELP = 'as "beeline map get" prints it, as JSON or YAML; "-" reads standard input';

/** The options of every subcommand. */
export interface Options {
  readonly pinned?: string;
  readonly id?: string;
  readonly json?: true;
  readonly hex?: true;
  readonly raw?: true;
}

export interface ViewFlags extends Options {
  readonly limit: number;
  readonly all?: true;
  readonly perCpu?: true;
  readonly from?: string;
  readonly at?: string;
}

export interface EditFlags extends Options {
  readonly force?: true;
  readonly perCpu?: true;
}

export function subcommand(name: string, usage: string): Command {
  return withInstance(new Command(name))
    .usage(usage)
    .option('--pinned <path>', 'use a pinned map, the maps of a pinned program or link, or all maps pinned in a folder')
    .option(
      '--id <id>',
      'use the map or the maps of the program with this id; "map:12" or "program:12" if both have the id',
    )
    .option('--json', 'print JSON');
}

/** Runs a subcommand with the words of its command line, in their order, and its options. */
type Handler<Flags> = (words: string[], flags: Flags, command: Command) => Promise<void>;

/** Hands the words over unassigned: whether the first one is the map's name depends on --pinned and --id. */
export function withAction<Flags>(command: Command, handler: Handler<Flags>): Command {
  return command.action(async () => {
    await handler([...command.args], command.opts<object>() as Flags, command);
  });
}

export function withBytes(command: Command): Command {
  return command
    .option('--hex', 'use hexadecimal bytes in memory order for keys and values')
    .option('--raw', 'use plain numbers: no names, addresses, text or byte order');
}

export function withView(command: Command): Command {
  return withBytes(command)
    .option('--per-cpu', "show each CPU's value instead of the sum of counters")
    .option('--limit <n>', 'show at most this many entries, array elements, or lines of numbers', count, 100)
    .option('--all', 'also show array elements that are zero')
    .option('--at <path>', 'begin at this element of a long array, for example entry[100]');
}

export function readOptions({ hex, raw }: Options): ReadOptions {
  return { hex: hex === true, plain: raw === true };
}

export function viewOptions({ limit, all, perCpu, at }: ViewFlags): ViewOptions {
  return { limit, all: all === true, perCpu: perCpu === true, at };
}

/** @throws InvalidArgumentError */
function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number above 0.');
  }
  return value;
}
