/**
 * Tries regular expressions of checks. The library is large, and loaded only once a configuration has such an expression: a
 * command that checks any other file need not wait for it.
 */

import { createRequire } from 'node:module';

import type * as Library from 're2js';

let library: typeof Library | undefined;

/** Many real servers may have the same expression, and to try one takes a tenth of a millisecond or more. */
const tried = new Map<string, string | undefined>();
const MOST_TRIED = 1000;

/** Returns why RE2 does not take an expression; undefined if it does. */
export function re2Problem(expression: string): string | undefined {
  if (tried.has(expression)) {
    return tried.get(expression);
  }
  const problem = tryOut(expression);
  if (tried.size >= MOST_TRIED) {
    tried.clear();
  }
  tried.set(expression, problem);
  return problem;
}

function tryOut(expression: string): string | undefined {
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
