/**
 * Tries regular expressions of checks. The library is large, and loaded only once a configuration has such an expression: a
 * command that checks any other file need not wait for it.
 */

import { createRequire } from 'node:module';

import type * as Library from 're2js';

let library: typeof Library | undefined;

/** Returns why RE2 does not take an expression; undefined if it does. */
export function re2Problem(expression: string): string | undefined {
  library ??= createRequire(import.meta.url)('re2js') as typeof Library;
  try {
    library.RE2JS.compile(expression);
    return undefined;
  } catch (error) {
    if (error instanceof library.RE2JSException) {
      return error.message.replace(/^error parsing regexp: /, '');
    }
    throw error;
  }
}
