/** Prints results: text in colour for people, JSON for programs. */

import { Option } from 'commander';

import { coloured, type Paint, plain, wantsColours } from './colour.js';

/** Colours for standard output, where it takes them. */
export function stdoutPaint(): Paint {
  return wantsColours(process.stdout) ? coloured : plain;
}

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** `--json`, said alike by all commands that have it; docs/json.md has the shapes. */
export function jsonOption(when = ''): Option {
  return new Option('--json', `print JSON${when}`);
}

/** Prints a result as it was asked for: as JSON for programs, else as the text that it takes to tell people. */
export function printResult(value: unknown, { json }: { readonly json?: true }, text: (paint: Paint) => string): void {
  if (json === true) {
    printJson(value);
  } else {
    print(text(stdoutPaint()));
  }
}

/** Prints a list that comes in pieces and need not be in memory as a whole, an item a line. */
export async function printJsonList(pages: AsyncIterable<readonly unknown[]>): Promise<void> {
  let printed = 0;
  for await (const page of pages) {
    for (const item of page) {
      print(`${printed === 0 ? '[\n' : ',\n'}  ${JSON.stringify(item)}`);
      printed += 1;
    }
  }
  print(printed === 0 ? '[]\n' : '\n]\n');
}
