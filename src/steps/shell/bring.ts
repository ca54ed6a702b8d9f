/** Brings the host to a wish, step by step: each is recorded before it is made, so that it can be undone whatever happens. */

import { BeelineError } from '../../model/index.js';
import { type Facts, isOwnTable, tableFor } from '../facts.js';
import { type Author, originOfFile } from '../marker.js';
import {
  type Changes,
  changesTo,
  emptyRecord,
  type Entry,
  inBoot,
  parseRecord,
  type Purpose,
  type Record_,
  type Undoing,
  withEntry,
  withoutEntry,
} from '../record.js';
import { commandText, deviceOf, doing, type NftStep, type Step, titleOf, undoing as undoingCommand } from '../step.js';
import type { Machine, MachineToLookAt } from './host.js';
import { observe } from './observe.js';

/** What a step became: `todo` and `would-undo` are of --dry-run. */
export type Outcome = 'done' | 'was-so' | 'todo' | 'undone' | 'would-undo' | 'gone' | 'changed';

export interface StepReport {
  readonly outcome: Outcome;
  /** The step in short. */
  readonly what: string;
  /** The command that does the step, or undoes it. */
  readonly command: string;
  readonly why: string;
}

/** @throws BeelineError `HOST_RECORD` */
export function readRecord<Wish>(host: MachineToLookAt, purpose: Purpose<Wish>): Record_<Wish> {
  const text = host.read(purpose.recordPath);
  return text === undefined ? emptyRecord(purpose) : inBoot(parseRecord(text, purpose), host.boot);
}

export interface Mode {
  /** Change nothing, and tell what would be done. */
  readonly dryRun: boolean;
  /** Make nothing that is missing: only files that others of the wish share are written again. */
  readonly undoOnly: boolean;
}

/**
 * Makes what the wish needs, and undoes what it does not need and the record has.
 *
 * @param tell hears of each step as soon as it is made
 * @throws BeelineError `HOST_FAILED`, `HOST_FOREIGN`, `HOST_RECORD`, `HOST_TOOL`, `HOST_UNWRITABLE`, and what the purpose refuses
 */
export async function bringTo<Wish>(
  host: Machine,
  purpose: Purpose<Wish>,
  wish: Wish,
  { dryRun, undoOnly }: Mode,
  tell: (report: StepReport) => void,
): Promise<void> {
  let record = readRecord(host, purpose);
  const facts = await observe(host, purpose.planOf(wish), record);
  const changes = changesTo(wish, record, facts, purpose);
  const steps = undoOnly ? changes.steps.filter((each) => isRewritten(each, record.entries)) : changes.steps;
  if (!undoOnly) {
    purpose.refuse(wish, facts, record.entries);
  }
  steps.forEach(({ step, done }) => {
    refuseForeign(step, done, record.entries, facts, purpose);
  });
  steps.forEach(({ step, done }) => {
    refuseWithoutIpv6(host, step, done);
  });
  const keep = (next: Record_<Wish>): void => {
    record = next;
    if (!dryRun) {
      saveRecord(host, record, purpose);
    }
  };
  if (steps.length > 0 || host.read(purpose.recordPath) !== undefined) {
    keep({ ...record, wish });
  }
  for (const { step, done } of steps) {
    if (!done || isLostTable(step, record.entries)) {
      keep(withEntry(record, step, facts, host.boot));
    }
    if (!done && !dryRun) {
      await make(host, step);
    }
    const outcome = done ? 'was-so' : dryRun ? 'todo' : 'done';
    tell({ outcome, what: titleOf(step), command: commandText(doing(step)), why: step.why });
  }
  for (const { entry, undoing } of changes.undo) {
    // What a command that was killed left beside a file goes, although the file is not there.
    if (!dryRun && (undoing === 'undo' || (undoing === 'gone' && entry.step.kind === 'file'))) {
      await unmake(host, entry);
    }
    keep(withoutEntry(record, entry));
    tell(undone(entry, undoing, dryRun));
  }
}

/** @throws BeelineError `HOST_FAILED` if an interface is to have an address of IPv6, which is off there */
function refuseWithoutIpv6(host: Machine, step: Step, done: boolean): void {
  if (done || step.kind !== 'address' || step.prefix !== 128) {
    return;
  }
  const device = deviceOf(step);
  if (host.sysctl(`net/ipv6/conf/${device}/disable_ipv6`) === '1') {
    throw new BeelineError(
      'HOST_FAILED',
      `IPv6 is off on ${device}, which shall have ${step.address}; nothing was changed`,
      {
        hint: `Leave the VIPs of IPv6 out, or: sysctl -w net/ipv6/conf/${device}/disable_ipv6=0, also in what sets it at a boot.`,
      },
    );
  }
}

/** @throws BeelineError `HOST_FOREIGN` */
function refuseForeignTable(step: NftStep, facts: Facts): void {
  const table = tableFor(facts, step);
  if (table !== undefined && !isOwnTable(table, step)) {
    const name = `${step.family} ${step.table}`;
    throw new BeelineError(
      'HOST_FOREIGN',
      `the table ${name} of nftables has rules of somebody else; nothing was changed`,
      {
        hint: `See them by "nft list table ${name}": move them to another table, or remove it by "nft delete table ${name}".`,
      },
    );
  }
}

/** Whether a file that the record has would have another text. */
function isRewritten({ step, done }: Changes['steps'][number], entries: readonly Entry[]): boolean {
  return !done && step.kind === 'file' && entries.some((entry) => entry.step.id === step.id);
}

/** A table of that name is Beeline's, although the record may be lost. */
function isLostTable(step: Step, entries: readonly Entry[]): boolean {
  return step.kind === 'nft' && !entries.some((entry) => entry.step.id === step.id);
}

function undone(entry: Entry, undoing: Undoing, dryRun: boolean): StepReport {
  const outcome = undoing === 'undo' ? (dryRun ? 'would-undo' : 'undone') : undoing;
  const command = commandText(undoingCommand(entry.step, entry.before));
  return { outcome, what: command, command, why: entry.step.why };
}

function saveRecord<Wish>(host: Machine, record: Record_<Wish>, purpose: Purpose<Wish>): void {
  if (record.entries.length === 0 && purpose.isNothing(record.wish)) {
    host.remove(purpose.recordPath);
  } else {
    host.write(purpose.recordPath, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
  }
}

async function make(host: Machine, step: Step): Promise<void> {
  switch (step.kind) {
    case 'sysctl':
      host.setSysctl(step.key, step.value);
      return;
    case 'file':
      host.write(step.path, step.text, step.mode);
      return;
    case 'link':
      host.link(step.path, step.target);
      return;
    case 'address':
    case 'nft':
    case 'rule':
      await host.run(doing(step));
  }
}

async function unmake(host: Machine, { step, before }: Entry): Promise<void> {
  switch (step.kind) {
    case 'sysctl':
      host.setSysctl(step.key, before ?? '0');
      return;
    case 'file':
    case 'link':
      host.remove(step.path);
      return;
    case 'address':
    case 'nft':
    case 'rule':
      await host.run(undoingCommand(step, before));
  }
}

/** @throws BeelineError `HOST_FOREIGN` if a file or a table is there that is not Beeline's, or was edited */
function refuseForeign(step: Step, done: boolean, entries: readonly Entry[], facts: Facts, author: Author): void {
  if (step.kind === 'nft') {
    refuseForeignTable(step, facts);
  }
  if (done || (step.kind !== 'file' && step.kind !== 'link')) {
    return;
  }
  const text = facts.files[step.path];
  const known = entries.find((entry) => entry.step.id === step.id)?.step;
  if (text === undefined || (known?.kind === 'file' && known.text === text)) {
    return;
  }
  const origin = step.kind === 'link' ? 'foreign' : originOfFile(author, text);
  if (origin !== 'own') {
    const what = origin === 'edited' ? 'was edited since Beeline wrote it' : 'was not written by Beeline';
    throw new BeelineError('HOST_FOREIGN', `${step.path} ${what}: it stays as it is, and nothing was changed`, {
      hint: 'Move the file away, or choose another way by --persist.',
    });
  }
}
