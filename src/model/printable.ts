/** Makes text safe to print: names and files may hold sequences that a terminal would obey. Pure. */

/** Characters that a terminal, or a reader's eye, takes for more than text: controls, and those that change direction. */
const UNSAFE = '\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';

const IN_NAME = new RegExp(`[${UNSAFE}]`, 'g');
const IN_TEXT = new RegExp(`(?![\\n\\t])[${UNSAFE}]`, 'g');
/** Sequences that only colour stay (ECMA-48, SGR). */
const IN_COLOURED_TEXT = new RegExp(`\\u001b\\[[\\d;]*m|(?![\\n\\t])[${UNSAFE}]`, 'g');

/** "\u001b": as JSON writes it, so that escaped JSON has the same meaning. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Returns a name as it can be printed within a line. */
export function printableName(name: string): string {
  return name.replace(IN_NAME, escaped);
}

/** Returns text or JSON of any number of lines as it can be printed. @param coloured whether its colours stay */
export function printableText(text: string, coloured = false): string {
  return text.replace(coloured ? IN_COLOURED_TEXT : IN_TEXT, (found) => (found.length > 1 ? found : escaped(found)));
}
