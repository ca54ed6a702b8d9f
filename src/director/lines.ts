/** Lines of the log of which there may be thousands at one moment: one by one if they are few, else those of one kind as one. */

import { groupBy } from './group-by.js';
import type { Logger } from './log.js';

/** The most lines of one kind that are logged one by one. */
const FEW = 5;

export interface Line {
  readonly level: 'info' | 'warn';
  /** Of what the line is one, after a number: "real servers went down". Lines of one kind have one level. */
  readonly kind: string;
  readonly text: string;
}

/** @param command the one that shows all of what many lines would say */
export function logLines(log: Logger, lines: readonly Line[], command: string): void {
  for (const [kind, alike] of groupBy(lines, (line) => line.kind)) {
    if (alike.length > FEW) {
      log[alike[0]!.level](`${alike.length} ${kind}; see "${command}"`);
    } else {
      alike.forEach(({ level, text }) => {
        log[level](text);
      });
    }
  }
}
