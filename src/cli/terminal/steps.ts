/** The steps by which a command changes this host: who may make them, and how they are printed. */

import { BeelineError } from '../../model/index.js';
import type { StepReport } from '../../realserver/index.js';
import type { Style } from './colour.js';
import { print, stdoutPaint } from './print.js';

/** @param what the steps change: "addresses" @throws BeelineError `HOST_FAILED` */
export function requireRoot({ dryRun }: { readonly dryRun?: true }, what: string): void {
  if (dryRun !== true && process.geteuid?.() !== 0) {
    throw new BeelineError('HOST_FAILED', `only root may change ${what}`, { hint: 'Use sudo.' });
  }
}

/** Runs what makes steps, and prints each as it is made, unless all of them become JSON. Returns them, and its result. */
export async function runSteps<Result>(
  { json }: { readonly json?: true },
  run: (tell: (report: StepReport) => void) => Promise<Result>,
): Promise<{ readonly steps: readonly StepReport[]; readonly result: Result }> {
  const steps: StepReport[] = [];
  const result = await run((report) => {
    steps.push(report);
    if (json !== true) {
      print(formatStep(report));
    }
  });
  return { steps, result };
}

const OUTCOMES: Readonly<Record<StepReport['outcome'], readonly [word: string, style: Style | undefined]>> = {
  done: ['done', 'good'],
  'was-so': ['was so', 'faint'],
  todo: ['to do', 'name'],
  undone: ['undone', 'good'],
  'would-undo': ['to undo', 'name'],
  gone: ['gone', 'faint'],
  changed: ['changed', 'warning'],
};

/** What is not a command that was run, and why. */
const REMARKS: Readonly<Partial<Record<StepReport['outcome'], string>>> = {
  gone: 'it is gone already',
  changed: 'somebody changed it since: it stays as it is',
};

/** Where the text of a line begins, after its word. */
export const STEP_WIDTH = 9;

function formatStep({ outcome, what, command, why }: StepReport): string {
  const paint = stdoutPaint();
  const [word, style] = OUTCOMES[outcome];
  const indent = ' '.repeat(STEP_WIDTH);
  // The text that goes into a command is of interest before it is done.
  const lines = outcome === 'todo' ? command.split('\n') : [what];
  const remark = REMARKS[outcome] ?? (outcome === 'undone' || outcome === 'would-undo' ? undefined : why);
  const body = [...lines, ...(remark === undefined ? [] : [paint('faint', remark)])].join(`\n${indent}`);
  return `${paint(style, word)}${' '.repeat(STEP_WIDTH - word.length)}${body}\n`;
}
