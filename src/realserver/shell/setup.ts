/** Brings the host to a wish, step by step: each is recorded before it is made, so that it can be undone whatever happens. */

import { BeelineError } from '../../model/index.js';
import type { Facts } from '../facts.js';
import { originOfFile } from '../marker.js';
import { planOf } from '../plan.js';
import {
  type Changes,
  changesTo,
  EMPTY,
  type Entry,
  inBoot,
  parseRecord,
  type Record_,
  RECORD_PATH,
  type Undoing,
  withEntry,
  withoutEntry,
} from '../record.js';
import { commandText, doing, type Step, titleOf, undoing as undoingCommand } from '../step.js';
import { prefixOf, type Wish } from '../wish.js';
import type { Machine } from './host.js';
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

export function readRecord(host: Machine): Record_ {
  const text = host.read(RECORD_PATH);
  return text === undefined ? EMPTY : inBoot(parseRecord(text), host.boot);
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
 * @throws BeelineError `REALSERVER_FAILED`, `REALSERVER_FOREIGN`, `REALSERVER_TAKEN`, `REALSERVER_TOOL`, `REALSERVER_UNWRITABLE`
 */
export async function bringTo(
  host: Machine,
  wish: Wish,
  { dryRun, undoOnly }: Mode,
  tell: (report: StepReport) => void,
): Promise<void> {
  let record = readRecord(host);
  const facts = await observe(host, planOf(wish), record);
  const changes = changesTo(wish, record, facts);
  const steps = undoOnly ? changes.steps.filter((each) => isRewritten(each, record)) : changes.steps;
  if (!undoOnly) {
    refuseTaken(wish, facts);
  }
  steps.forEach(({ step, done }) => {
    refuseForeign(step, done, record, facts);
  });
  const keep = (next: Record_): void => {
    record = next;
    if (!dryRun) {
      saveRecord(host, record);
    }
  };
  if (steps.length > 0 || host.read(RECORD_PATH) !== undefined) {
    keep({ ...record, wish });
  }
  for (const { step, done } of steps) {
    if (!done || isOwnTable(step, record)) {
      keep(withEntry(record, step, facts, host.boot));
    }
    if (!done && !dryRun) {
      await make(host, step);
    }
    const outcome = done ? 'was-so' : dryRun ? 'todo' : 'done';
    tell({ outcome, what: titleOf(step), command: commandText(doing(step)), why: step.why });
  }
  for (const { entry, undoing } of changes.undo) {
    if (undoing === 'undo' && !dryRun) {
      await unmake(host, entry);
    }
    keep(withoutEntry(record, entry));
    tell(undone(entry, undoing, dryRun));
  }
}

/** Whether a file that the record has would have another text. */
function isRewritten({ step, done }: Changes['steps'][number], record: Record_): boolean {
  return !done && step.kind === 'file' && record.entries.some((entry) => entry.step.id === step.id);
}

/** A table of that name is Beeline's, although the record may be lost. */
function isOwnTable(step: Step, record: Record_): boolean {
  return step.kind === 'nft' && !record.entries.some((entry) => entry.step.id === step.id);
}

function undone(entry: Entry, undoing: Undoing, dryRun: boolean): StepReport {
  const outcome = undoing === 'undo' ? (dryRun ? 'would-undo' : 'undone') : undoing;
  const command = commandText(undoingCommand(entry.step, entry.before));
  return { outcome, what: command, command, why: entry.step.why };
}

function saveRecord(host: Machine, record: Record_): void {
  if (record.entries.length === 0 && record.wish.vips.length === 0) {
    host.remove(RECORD_PATH);
  } else {
    host.write(RECORD_PATH, `${JSON.stringify(record, undefined, 2)}\n`, 0o600);
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

/** @throws BeelineError `REALSERVER_FOREIGN` if a file is there that is not Beeline's, or was edited */
function refuseForeign(step: Step, done: boolean, record: Record_, facts: Facts): void {
  if (done || (step.kind !== 'file' && step.kind !== 'link')) {
    return;
  }
  const text = facts.files[step.path];
  const known = record.entries.find((entry) => entry.step.id === step.id)?.step;
  if (text === undefined || (known?.kind === 'file' && known.text === text)) {
    return;
  }
  const origin = step.kind === 'link' ? 'foreign' : originOfFile(text);
  if (origin !== 'own') {
    const what = origin === 'edited' ? 'was edited since Beeline wrote it' : 'was not written by Beeline';
    throw new BeelineError('REALSERVER_FOREIGN', `${step.path} ${what}: it stays as it is, and nothing was changed`, {
      hint: 'Move the file away, or choose another way by --persist.',
    });
  }
}

/** @throws BeelineError `REALSERVER_TAKEN` if the VIP is where the host answers for it */
function refuseTaken({ vips }: Wish, { addresses, links }: Facts): void {
  for (const { vip } of vips) {
    const bad = addresses.find(
      ({ address, device, prefix }) => address === vip && (device !== 'lo' || prefix !== prefixOf(vip)),
    );
    if (bad === undefined) {
      continue;
    }
    const why =
      bad.device === 'lo'
        ? `is on lo as /${bad.prefix}: this host takes the whole network for its own`
        : links.some(({ device, arp }) => device === bad.device && arp)
          ? `is on ${bad.device}, where this host answers for it`
          : `is on ${bad.device} already: something else set this host up`;
    throw new BeelineError('REALSERVER_TAKEN', `${vip} ${why}; nothing was changed`, {
      hint: `If it is the VIP: ip address del ${vip}/${bad.prefix} dev ${bad.device}, also in what sets it at a boot. Then run this again.`,
    });
  }
}
