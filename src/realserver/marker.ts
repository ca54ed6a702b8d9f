/** The first line of a file that belongs to `beeline realserver`. Pure. */

import { markedBy, originBy, type TextOrigin } from '../store/marked.js';

const START = '# Written by "beeline realserver setup", which "beeline realserver remove" undoes. sha256:';

export function markedFile(text: string): string {
  return markedBy(START, text);
}

export function originOfFile(text: string): TextOrigin {
  return originBy(START, text);
}
