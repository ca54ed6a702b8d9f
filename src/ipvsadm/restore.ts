/** Splits the lines that `ipvsadm -R` reads, as ipvsadm's config_stream.c does. Pure. */

/**
 * Returns the words of each line. There are no quotes and no comments. The word "ipvsadm" is removed anywhere, and empty
 * lines are removed.
 */
export function restoreLines(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm'))
    .filter((words) => words.length > 0);
}
