/** What was changed on this host, and what was there before: the record that `remove` undoes. Pure. */

import { BeelineError, isIp } from '../model/index.js';
import { type Facts, isDone, tableFor } from './facts.js';
import { originOfFile } from './marker.js';
import { planOf } from './plan.js';
import type { Step } from './step.js';
import { METHODS, NOTHING, WAYS, type Wish } from './wish.js';

export const RECORD_PATH = '/var/lib/beeline/realserver.json';

/** A step that was begun, and perhaps done. */
export interface Entry {
  readonly step: Step;
  /** The sysctl's value before it. */
  readonly before?: string;
  /** The boot in which it was done: what is not in a file ended with it. */
  readonly boot: string;
}

export interface Record_ {
  readonly version: 1;
  readonly wish: Wish;
  readonly entries: readonly Entry[];
}

export const EMPTY: Record_ = { version: 1, wish: NOTHING, entries: [] };

/** @throws BeelineError `REALSERVER_RECORD` */
export function parseRecord(text: string): Record_ {
  try {
    const value = JSON.parse(text) as Record_;
    if (isRecord(value)) {
      return value;
    }
  } catch {
    // No JSON: the same message.
  }
  throw new BeelineError('REALSERVER_RECORD', `${RECORD_PATH} is damaged: it does not say what was changed here`, {
    hint:
      'Nothing was changed. "beeline realserver check" shows what the host has; undo by hand what should go, and remove the ' +
      'file.',
  });
}

const KINDS: readonly string[] = ['sysctl', 'address', 'nft', 'rule', 'file', 'link'] satisfies Step['kind'][];

function isRecord({ version, wish, entries }: Record_): boolean {
  return (
    (version as number) === 1 &&
    Array.isArray(entries) &&
    entries.every(({ step, boot }: Entry) => KINDS.includes(step.kind) && typeof boot === 'string') &&
    Array.isArray(wish.vips) &&
    (wish.vips as Wish['vips']).every(
      ({ vip, method, ports }) => isIp(vip) && METHODS.includes(method) && Array.isArray(ports),
    ) &&
    (wish.persist === undefined || WAYS.includes(wish.persist))
  );
}

/** Whether a file of the record brings a step back at each boot. */
function comesBack(step: Step, record: Record_): boolean {
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
export function inBoot(record: Record_, boot: string): Record_ {
  const entries = record.entries.filter((entry) => entry.boot === boot || comesBack(entry.step, record));
  return { ...record, entries };
}

/** What undoing an entry means on this host: nothing if it is gone, nor if somebody changed it since. */
export type Undoing = 'undo' | 'gone' | 'changed';

export function undoingOf({ step, before }: Entry, facts: Facts): Undoing {
  switch (step.kind) {
    case 'sysctl': {
      const value = facts.sysctls[step.key];
      return value === undefined || value === before ? 'gone' : value === step.value ? 'undo' : 'changed';
    }
    case 'nft':
      return tableFor(facts, step) === undefined ? 'gone' : 'undo';
    case 'address':
    case 'rule':
      return isDone(step, facts) ? 'undo' : 'gone';
    case 'file': {
      // A file that is whole is Beeline's, although an interrupted command may have left the text before.
      const text = facts.files[step.path];
      return text === undefined ? 'gone' : originOfFile(text) === 'own' ? 'undo' : 'changed';
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
export function changesTo(wish: Wish, record: Record_, facts: Facts): Changes {
  const steps = planOf(wish);
  const needed = new Set(steps.map(({ id }) => id));
  return {
    steps: steps.map((step) => ({ step, done: isDone(step, facts) })),
    undo: record.entries
      .filter(({ step }) => !needed.has(step.id))
      .reverse()
      .map((entry) => ({ entry, undoing: undoingOf(entry, facts) })),
  };
}

/** Returns the record with a step that is about to be made. What was before it stays what was before its first time. */
export function withEntry(record: Record_, step: Step, facts: Facts, boot: string): Record_ {
  const known = record.entries.find((entry) => entry.step.id === step.id);
  const before = known?.before ?? (step.kind === 'sysctl' ? facts.sysctls[step.key] : undefined);
  const entry: Entry = { step, boot, ...(before !== undefined && { before }) };
  const entries =
    known === undefined ? [...record.entries, entry] : record.entries.map((each) => (each === known ? entry : each));
  return { ...record, entries };
}

export function withoutEntry(record: Record_, { step }: Entry): Record_ {
  return { ...record, entries: record.entries.filter((each) => each.step.id !== step.id) };
}
