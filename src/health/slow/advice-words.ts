/** The words of agents: those of HAProxy's agent-check (its configuration manual, 5.2). Pure. */

import { MAX_WEIGHT } from '../../model/index.js';
import { type Advice, type AdvisedState, mostCautious } from '../advice.js';

/** No weight grows more than a hundredfold by a percentage. */
const MAX_PERCENT = 10_000;

/** About the state of the program… */
const HEALTH: Readonly<Record<string, AdvisedState>> = {
  up: 'up',
  down: 'down',
  stopped: 'down',
  fail: 'down',
  failed: 'down',
};
/** … and about what is done with it. */
const ADMINISTRATION: Readonly<Record<string, AdvisedState>> = { ready: 'up', drain: 'drain', maint: 'maint' };

/**
 * Returns what an agent advises in its first line; undefined if it has no word that is known.
 *
 * Words are separated by blanks and commas, and a reason may follow "#". Of words about the same the last counts, and those
 * that are not known are passed over, both as in HAProxy. Not in HAProxy: "weight 20", as "weight:20". Unlike there, a line
 * says all: what earlier ones said is over.
 */
export function parseAdvice(text: string): Advice | undefined {
  const [line = ''] = text.trimStart().split(/[\r\n\0]/, 1);
  const [said = ''] = line.split('#', 1);
  const words = said.toLowerCase().split(/[ \t,]+/);
  let health: AdvisedState | undefined;
  let administration: AdvisedState | undefined;
  let amount: Pick<Advice, 'weight' | 'percent'> | undefined;
  words.forEach((word, i) => {
    health = own(HEALTH, word) ?? health;
    administration = own(ADMINISTRATION, word) ?? administration;
    const [, of, weight] = /^(weight:)?(.*)$/s.exec(word)!;
    const isWeight = of !== undefined || words[i - 1] === 'weight';
    amount = percentOf(weight!) ?? (isWeight ? weightOf(weight!) : undefined) ?? amount;
  });
  // "up drain" is "drain".
  const state = mostCautious([health, administration]);
  return state === undefined && amount === undefined ? undefined : { ...(state && { state }), ...amount };
}

/** The same of a file, whose first line may be a weight alone. */
export function parseFileAdvice(text: string): Advice | undefined {
  const [line = ''] = text.trimStart().split(/[\r\n]/, 1);
  return weightOf(line.trim()) ?? parseAdvice(text);
}

/**
 * Returns what the status of an agent says that wrote nothing: keepalived's misc_dynamic. 0: up. 1: down. 2 to 255: up, with
 * a weight of 0 to 253.
 */
export function adviceOfStatus(status: number): Advice {
  return status === 1 ? { state: 'down' } : { state: 'up', ...(status > 1 && { weight: status - 2 }) };
}

/** "drain, 75 %" */
export function adviceText({ state, weight, percent }: Advice): string {
  return [
    state,
    weight === undefined ? undefined : `weight ${weight}`,
    percent === undefined ? undefined : `${percent} % of the weight`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

function percentOf(word: string): Pick<Advice, 'percent'> | undefined {
  const percent = Number(/^(\d{1,5})%$/.exec(word)?.[1]);
  return percent <= MAX_PERCENT ? { percent } : undefined;
}

function weightOf(word: string): Pick<Advice, 'weight'> | undefined {
  const weight = Number(/^\d{1,10}$/.exec(word)?.[0]);
  return weight <= MAX_WEIGHT ? { weight } : undefined;
}

/** No word of an agent finds what all objects have. */
function own(table: Readonly<Record<string, AdvisedState>>, word: string): AdvisedState | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
