/** The first line of a file that Beeline wrote: it tells whether somebody edited the rest. Pure. */

import { createHash } from 'node:crypto';

const START =
  '# Written by "beeline keepalived write" from Beeline\'s configuration: change that, and write again. sha256:';
const DIGEST = /^[0-9a-f]{64}$/;

/** `own`: as Beeline wrote it. `edited`: somebody changed it since. `foreign`: Beeline never wrote it. */
export type TextOrigin = 'own' | 'edited' | 'foreign';

/** Returns a text with the line that marks it. */
export function marked(text: string): string {
  return `${START}${digest(text)}\n${text}`;
}

/** A file without content is nobody's: it may be replaced. */
export function originOfText(text: string): TextOrigin {
  if (text.trim() === '') {
    return 'own';
  }
  const end = text.indexOf('\n');
  const first = end < 0 ? text : text.slice(0, end);
  if (!first.startsWith(START)) {
    return text.includes(START) ? 'edited' : 'foreign';
  }
  const told = first.slice(START.length);
  return DIGEST.test(told) && told === digest(text.slice(end + 1)) ? 'own' : 'edited';
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
