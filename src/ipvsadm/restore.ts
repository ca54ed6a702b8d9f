/** The lines that `ipvsadm -R` reads, as ipvsadm's config_stream.c takes them apart. Pure. */

/**
 * Each line's words. There are neither quotes nor comments, and "ipvsadm" is left out wherever it stands; lines without
 * words are no lines.
 */
export function restoreLines(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(/[ \t\r]+/).filter((word) => word !== '' && word !== 'ipvsadm'))
    .filter((words) => words.length > 0);
}
