/** Finds names that are close to a mistyped one, for hints. Pure. */

/** Returns up to three names that the user may have meant, the closest first. */
export function nearest(wanted: string, names: readonly string[]): string[] {
  const close = names
    .map((name) => ({ name, distance: distance(wanted, name) }))
    .filter(({ name, distance: far }) => far <= Math.max(2, wanted.length / 3) || name.includes(wanted))
    .sort((a, b) => a.distance - b.distance);
  return close.slice(0, 3).map(({ name }) => name);
}

/** Returns how many letters must be changed, added or removed (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
