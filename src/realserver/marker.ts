/** The first line of a file that belongs to `beeline realserver`: it tells whether somebody edited the rest. Pure. */

import { createHash } from 'node:crypto';

const START = '# Written by "beeline realserver setup", which "beeline realserver remove" undoes. sha256:';
const DIGEST = /^[0-9a-f]{64}$/;

/** `own`: as Beeline wrote it. `edited`: somebody changed it since. `foreign`: Beeline never wrote it. */
export type FileOrigin = 'own' | 'edited' | 'foreign';

export function markedFile(text: string): string {
  return `${START}${digest(text)}\n${text}`;
}

export function originOfFile(text: string): FileOrigin {
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
