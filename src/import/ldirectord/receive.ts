/** Regular expressions of Perl ("receive") in RE2, the language of Beeline's checks. Pure. */

import { re2Problem } from '../../config/index.js';
import { parseIp } from '../../model/index.js';

/** Longer ones the configuration does not take. */
const MOST_CHARACTERS = 1000;

/**
 * Returns the expression, or why RE2 does not have it.
 *
 * @param of `whole`: it is searched in a whole text, at whose end Perl's $ passes over one line break. `lines`: in each line
 *   for itself.
 */
export function re2Of(perl: string, of: 'whole' | 'lines'): { readonly re2: string } | { readonly problem: string } {
  const tooLong = { problem: `it has more than ${MOST_CHARACTERS} characters` };
  if (perl.length > MOST_CHARACTERS) {
    return tooLong;
  }
  const re2 = of === 'whole' ? withPerlsEnd(perl) : /[\^$]/.test(perl) ? `(?m)${perl}` : perl;
  if (re2.length > MOST_CHARACTERS) {
    return tooLong;
  }
  const problem = re2Problem(re2);
  return problem === undefined ? { re2 } : { problem };
}

/** RE2's $ is the very end. */
function withPerlsEnd(perl: string): string {
  // What is escaped and what is in a class stays.
  return perl.replace(/\\Z|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$/gs, (found) =>
    found === '$' || found === '\\Z' ? '(?:\\n?\\z)' : found,
  );
}

/** Returns the address or name that an expression stands for; undefined: it is more than one. */
export function literalOf(perl: string): string | undefined {
  const bare = perl
    .replace(/^\^|\$$/g, '')
    .replace(/\\([.-])/g, '$1')
    .replace(/^\((?:\?:)?([^()|]*)\)$/, '$1');
  return /^[A-Za-z0-9._:-]+$/.test(bare) ? bare : undefined;
}

/** The name under which DNS has an address's names. */
export function reverseName(address: string): string | undefined {
  const ip = parseIp(address);
  if (ip === undefined || ip.includes(':')) {
    return undefined;
  }
  return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
}
