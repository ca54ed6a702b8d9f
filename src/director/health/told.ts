/** Tells of changes of health in the log: one line a change, and one line for many alike. */

import { adviceText, outcomeText, type Transition } from '../../health/rules.js';
import { type Line, logLines } from '../lines.js';
import type { Logger } from '../log.js';
import type { QuorumEvent } from '../overlays/index.js';

/** Gathers what happens at one moment. */
export class Told {
  readonly #log: Logger;
  #lines: Line[] = [];
  #next: NodeJS.Immediate | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  tell(line: Line): void {
    this.#lines.push(line);
    this.#next ??= setImmediate(() => {
      this.flush();
    });
  }

  flush(): void {
    clearImmediate(this.#next);
    this.#next = undefined;
    const lines = this.#lines;
    this.#lines = [];
    logLines(this.#log, lines, 'beeline list --checks');
  }
}

/** Returns the line of a change; undefined: another line says it. @param checks how many checks the real server has */
export function lineOf(transition: Transition, checks: number): Line | undefined {
  const { service, address } = transition;
  const who = `${service}: real server ${address}`;
  switch (transition.kind) {
    case 'server': {
      const { isUp } = transition;
      const why = transition.reason ?? `${transition.check}: ${outcomeText(transition.outcome)}`;
      return isUp
        ? { level: 'info', kind: 'real servers came up', text: `${who} is up: ${why}` }
        : { level: 'warn', kind: 'real servers went down', text: `${who} is down: ${why}` };
    }
    case 'check': {
      const { isUp, label, outcome, damped } = transition;
      const held = damped ? 'comes and goes, and stays down until it is steady' : undefined;
      if (checks === 1 && held === undefined) {
        return undefined;
      }
      const state = held ?? (isUp ? 'passes again' : 'fails');
      const kind = isUp ? 'checks pass again' : 'checks fail';
      return { level: 'info', kind, text: `${who}: check ${label} ${state}: ${outcomeText(outcome)}` };
    }
    case 'check-removed':
    case 'server-removed':
      // The change of the configuration is in the log.
      return undefined;
    case 'trouble':
      if (transition.isRemoved === true) {
        return undefined;
      }
      return transition.trouble === undefined
        ? {
            level: 'info',
            kind: 'checks can be made again',
            text: `${who}: check ${transition.label} can be made again`,
          }
        : {
            level: 'warn',
            kind: `checks cannot be made: ${transition.trouble}`,
            text: `${who}: check ${transition.label} cannot be made: ${transition.trouble}`,
          };
    case 'warning':
      if (transition.isRemoved === true) {
        return undefined;
      }
      return transition.warning === undefined
        ? {
            level: 'info',
            kind: 'warnings of checks are over',
            text: `${who}: check ${transition.label}: its warning is over`,
          }
        : {
            level: 'warn',
            kind: 'checks warn',
            text: `${who}: check ${transition.label}: ${transition.warning}`,
          };
    case 'advice':
      return {
        level: 'info',
        kind: 'agents or files say something else',
        // The label begins with the type.
        text: `${who}: its ${transition.label.split(' ', 1)[0]!} says ${transition.advice === undefined ? 'nothing any more' : adviceText(transition.advice)}`,
      };
  }
}

export function quorumLine({ service, isMet, weight, wanted }: QuorumEvent): Line {
  return isMet
    ? {
        level: 'info',
        kind: 'quorums are met again',
        text: `${service}: the quorum is met again: weight ${weight} of ${wanted}`,
      }
    : {
        level: 'warn',
        kind: 'quorums are lost',
        text: `${service}: the quorum is lost: weight ${weight} of ${wanted}`,
      };
}
