/** What was changed on this host, and what was there before: the record that `remove` undoes. Pure. */

import { BeelineError } from '../model/index.js';
import { type Facts, isDone, isOwnTable, tableFor } from './facts.js';
import { type Author, originOfFile } from './marker.js';
import { deviceOf, type Step } from './step.js';

/** What a command makes of the host: its wishes, the steps that fulfil one, and where it records what it did. */
export interface Purpose<Wish> extends Author {
  readonly recordPath: string;
  /** The command that shows what the host has, for messages. */
  readonly shows: string;
  /** The wish of a host on which nothing was made. */
  readonly nothing: Wish;
  isWish(value: unknown): value is Wish;
  isNothing(wish: Wish): boolean;
  planOf(wish: Wish): Step[];
  /** @throws BeelineError if the host has what is in the way of a wish */
  refuse(wish: Wish, facts: Facts, entries: readonly Entry[]): void;
}

/** A step that was begun, and perhaps done. */
export interface Entry {
  readonly step: Step;
  /** The sysctl's value before it. */
  readonly before?: string;
  /** The boot in which it was done: what is not in a file ended with it. */
  readonly boot: string;
}

export interface Record_<Wish> {
  readonly version: 1;
  readonly wish: Wish;
  readonly entries: readonly Entry[];
}

export function emptyRecord<Wish>({ nothing }: Purpose<Wish>): Record_<Wish> {
  return { version: 1, wish: nothing, entries: [] };
}

/** @throws BeelineError `HOST_RECORD` */
export function parseRecord<Wish>(text: string, purpose: Purpose<Wish>): Record_<Wish> {
  try {
    const value = JSON.parse(text) as Record_<Wish>;
    if (isRecord(value, purpose)) {
      return value;
    }
  } catch {
    // No JSON: the same message.
  }
  const { recordPath, shows } = purpose;
  throw new BeelineError('HOST_RECORD', `${recordPath} is damaged: it does not say what was changed here`, {
    hint: `Nothing was changed. "${shows}" shows what the host has; undo by hand what should go, and remove the file.`,
  });
}

const KINDS: readonly string[] = ['sysctl', 'address', 'nft', 'rule', 'file', 'link'] satisfies Step['kind'][];

function isRecord<Wish>({ version, wish, entries }: Record_<Wish>, purpose: Purpose<Wish>): boolean {
  return (
    (version as number) === 1 &&
    Array.isArray(entries) &&
    entries.every(({ step, boot }: Entry) => KINDS.includes(step.kind) && typeof boot === 'string') &&
    purpose.isWish(wish)
  );
}

/** Whether a file of the record brings a step back at each boot. */
function comesBack(step: Step, record: Record_<unknown>): boolean {
  const texts = record.entries.flatMap((entry) => (entry.step.kind === 'file' ? [entry.step.text] : []));
  switch (step.kind) {
    case 'file':
    case 'link':
      return true;
    case 'sysctl':
      return texts.some((text) => text.includes(`${step.key.replaceAll('/', '.')}=`));
    case 'address':
      return texts.some((text) => text.includes(`${step.address}/${step.prefix}`));
    case 'nft':
      return texts.some((text) => text.includes(`table ${step.family} ${step.table} {`));
    case 'rule':
      return texts.some((text) => text.includes(`${step.chain} ${step.rule.join(' ')} `));
  }
}

/**
 * Returns the record as it holds in this boot. What an earlier boot had, and no file brings back, is gone: if the host has
 * it all the same, somebody else made it.
 */
export function inBoot<Wish>(record: Record_<Wish>, boot: string): Record_<Wish> {
  const entries = record.entries.filter((entry) => entry.boot === boot || comesBack(entry.step, record));
  return { ...record, entries };
}

/** What undoing an entry means on this host: nothing if it is gone, nor if somebody changed it since. */
export type Undoing = 'undo' | 'gone' | 'changed';

export function undoingOf({ step, before }: Entry, facts: Facts, author: Author): Undoing {
  switch (step.kind) {
    case 'sysctl': {
      const value = facts.sysctls[step.key];
      return value === undefined || value === before ? 'gone' : value === step.value ? 'undo' : 'changed';
    }
    case 'nft': {
      const table = tableFor(facts, step);
      return table === undefined ? 'gone' : isOwnTable(table, step) ? 'undo' : 'changed';
    }
    case 'address':
    case 'rule':
      return isDone(step, facts) ? 'undo' : 'gone';
    case 'file': {
      // A file that is whole is Beeline's, although an interrupted command may have left the text before.
      const text = facts.files[step.path];
      return text === undefined ? 'gone' : originOfFile(author, text) === 'own' ? 'undo' : 'changed';
    }
    case 'link':
      return facts.files[step.path] === undefined ? 'gone' : isDone(step, facts) ? 'undo' : 'changed';
  }
}

/** What brings a host from what the record says to a wish. */
export interface Changes {
  readonly steps: readonly { readonly step: Step; readonly done: boolean }[];
  /** The last first. */
  readonly undo: readonly { readonly entry: Entry; readonly undoing: Undoing }[];
}

/** Every step that the host lacks is made; then every entry goes that the wish does not need. */
export function changesTo<Wish>(wish: Wish, record: Record_<Wish>, facts: Facts, purpose: Purpose<Wish>): Changes {
  const steps = purpose.planOf(wish);
  const needed = new Set(steps.map(({ id }) => id));
  return {
    steps: steps.filter((step) => !isWaiting(step, record, facts)).map((step) => ({ step, done: isDone(step, facts) })),
    undo: record.entries
      .filter(({ step }) => !needed.has(step.id))
      .reverse()
      .map((entry) => ({ entry, undoing: undoingOf(entry, facts, purpose) })),
  };
}

/** Whether an address was added before to an interface that this host does not have at the moment. */
function isWaiting<Wish>(step: Step, record: Record_<Wish>, { links }: Facts): boolean {
  return (
    step.kind === 'address' &&
    !links.some(({ device }) => device === deviceOf(step)) &&
    record.entries.some((entry) => entry.step.id === step.id)
  );
}

/** Returns the record with a step that is about to be made. What was before it stays what was before its first time. */
export function withEntry<Wish>(record: Record_<Wish>, step: Step, facts: Facts, boot: string): Record_<Wish> {
  const known = record.entries.find((entry) => entry.step.id === step.id);
  const before = known?.before ?? (step.kind === 'sysctl' ? facts.sysctls[step.key] : undefined);
  const entry: Entry = { step, boot, ...(before !== undefined && { before }) };
  const entries =
    known === undefined ? [...record.entries, entry] : record.entries.map((each) => (each === known ? entry : each));
  return { ...record, entries };
}

export function withoutEntry<Wish>(record: Record_<Wish>, { step }: Entry): Record_<Wish> {
  return { ...record, entries: record.entries.filter((each) => each.step.id !== step.id) };
}
