/** The line of a file by which the command that wrote it knows it again. Pure. */

import { markedBy, originBy, type TextOrigin } from '../store/marked.js';

/** A command that changes the host, by its name and the name of what undoes it: "beeline vip add", "beeline vip remove". */
export interface Author {
  readonly makes: string;
  readonly undoes: string;
}

/** The first line of a script stays the first. */
const SHEBANG = '#!/bin/sh\n';

function startOf({ makes, undoes }: Author): string {
  return `# Written by "${makes}", which "${undoes}" undoes. sha256:`;
}

/** Returns a text with the mark in its first line; in a script, in its second. */
export function markedFile(author: Author, text: string): string {
  return text.startsWith(SHEBANG)
    ? `${SHEBANG}${markedBy(startOf(author), text.slice(SHEBANG.length))}`
    : markedBy(startOf(author), text);
}

export function originOfFile(author: Author, text: string): TextOrigin {
  return originBy(startOf(author), text.startsWith(SHEBANG) ? text.slice(SHEBANG.length) : text);
}
