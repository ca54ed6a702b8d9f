/** Prints results: text in colour for people, JSON for programs. */

import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';

import { printableText } from '../../model/index.js';
import { coloured, type Paint, plain, wantsColours } from './colour.js';

/** Returns the paint for standard output: plain unless it takes colours. */
export function stdoutPaint(): Paint {
  return wantsColours(process.stdout) ? coloured : plain;
}

/** Prints to standard output. Control characters are escaped: they come from names and files. */
export function print(text: string): void {
  process.stdout.write(printableText(text, wantsColours(process.stdout)));
}

/** Prints to standard error, for notes and warnings beside a result. */
export function printNote(text: string): void {
  process.stderr.write(printableText(text));
}

export function printJson(value: unknown): void {
  print(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Prints a result as JSON with --json, else as text. @param text formats the result */
export function printResult(value: unknown, { json }: { readonly json?: true }, text: (paint: Paint) => string): void {
  if (json === true) {
    printJson(value);
  } else {
    print(text(stdoutPaint()));
  }
}

/** Prints a list that comes page by page, an item a line, without holding it in memory. */
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

/** Characters that are written at once. */
const CHUNK = 1 << 16;

/** Prints long text piece by piece. Waits for a slow reader; ends with the process if the reader has gone. */
export async function printPieces(pieces: Iterable<string>): Promise<void> {
  let text = '';
  const flush = async (): Promise<void> => {
    if (!process.stdout.write(printableText(text, wantsColours(process.stdout)))) {
      await once(process.stdout, 'drain');
    }
    text = '';
    // Gives Node.js a turn to report EPIPE, the error of a pipe without a reader.
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
