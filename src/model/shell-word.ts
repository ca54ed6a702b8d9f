/** A word as a shell reads it. Pure. */

/** Returns a word of a command line, in quotes if it needs some. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
