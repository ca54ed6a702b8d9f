/** Notes below the output of `beeline map dump` and `get`: what was left out, and how to see it. */

import type { InspectedMap } from '../../../inspect/index.js';
import { formatCount } from '../../terminal/format.js';
import { printNote } from '../../terminal/print.js';
import type { ViewFlags } from './options.js';
import type { Budget } from './view.js';

/** Prints the notes to standard error. @param single the output was one value, so that the user need not repeat the key */
export function printNotes(map: InspectedMap, budget: Budget, { limit, json }: ViewFlags, single = false): void {
  const { next, skipped } = budget;
  const notes: string[] = [];
  if (map.ambiguous.length > 0 && json !== true) {
    notes.push(`${map.ambiguous.join(', ')} share the place of the last array: BTF does not say where each one ends`);
  }
  if (skipped > 0 && next === undefined && json !== true) {
    notes.push(`${formatCount(skipped)} of ${formatCount(map.info.maxEntries)} elements are zero: --all shows them`);
  }
  if (next !== undefined) {
    const from = single ? '' : ` --from ${quoted(next.key)}`;
    const at = next.path === undefined ? '' : ` --at ${quoted(next.path)}`;
    notes.push(`only the first ${formatCount(limit)} are shown; continue with${from}${at}, or raise --limit`);
  }
  printNote(notes.map((note) => `${note}\n`).join(''));
}

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
