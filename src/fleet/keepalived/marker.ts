/** The first line of a keepalived.conf that Beeline wrote. Pure. */

import { markedBy, originBy, type TextOrigin } from '../../store/marked.js';

export type { TextOrigin };

const START =
  '# Written by "beeline keepalived write" from Beeline\'s configuration: change that, and write again. sha256:';

/** Returns a text with the line that marks it. */
export function marked(text: string): string {
  return markedBy(START, text);
}

/** A file without content is nobody's: it may be replaced. */
export function originOfText(text: string): TextOrigin {
  return text.trim() === '' ? 'own' : originBy(START, text);
}
