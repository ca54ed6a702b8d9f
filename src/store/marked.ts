/** Text files that Beeline writes beside a person's: their first line tells whose they are, and whether somebody edited the rest. Pure. */

import { createHash } from 'node:crypto';

const DIGEST = /^[0-9a-f]{64}$/;

/** `own`: as Beeline wrote it. `edited`: somebody changed it since. `foreign`: Beeline never wrote it. */
export type TextOrigin = 'own' | 'edited' | 'foreign';

/** Returns a text with the line that marks it. @param start of that line: which command wrote it; a checksum follows */
export function markedBy(start: string, text: string): string {
  return `${start}${digest(text)}\n${text}`;
}

/** Returns whose a text is, by the start of the line that would mark it. */
export function originBy(start: string, text: string): TextOrigin {
  const end = text.indexOf('\n');
  const first = end < 0 ? text : text.slice(0, end);
  if (!first.startsWith(start)) {
    return text.includes(start) ? 'edited' : 'foreign';
  }
  const told = first.slice(start.length);
  return DIGEST.test(told) && told === digest(text.slice(end + 1)) ? 'own' : 'edited';
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
