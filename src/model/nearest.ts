/** Guesses the name that was meant by a mistyped one. Pure. */

/**
 * Returns the name that a word is a slip of: of one letter, or two in a long word, and not of the first one. A wider guess
 * could lead from a command that another program has to one that changes what is running: from "top" to "stop".
 */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const bare = (text: string): string => text.replace(/^--/, '');
  const most = bare(word).length >= 7 ? 2 : 1;
  const [best] = names
    .filter((name) => bare(name).length > 1 && bare(name).startsWith(bare(word).slice(0, 1)))
    .map((name) => ({ name, slips: slipsBetween(bare(word), bare(name)) }))
    .filter(({ slips }) => slips <= most)
    .sort((a, b) => a.slips - b.slips);
  return best?.name;
}

/** Returns how many letters are wrong, missing, too many, or exchanged with the next one. */
function slipsBetween(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const [above, row] = [rows[i - 1]!, [i]];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          above[j]! + 1,
          row[j - 1]! + 1,
          above[j - 1]! + (same ? 0 : 1),
          exchanged ? rows[i - 2]![j - 2]! + 1 : Infinity,
        ),
      );
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
