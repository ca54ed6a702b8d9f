/** `beeline import`: other directors' rules as a configuration of Beeline's, and what of them has no equal. */

import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import type { Names, Surroundings } from '../../ipvsadm/index.js';
import { BeelineError, type Model } from '../../model/index.js';
import { ExitStatus, print } from '../context.js';

export function importCommand(): Command {
  const command = new Command('import')
    .summary('make a configuration of the rules of another director')
    .description(
      'Print a configuration that is made of the rules of another director, and on standard error what has no equal.',
    );
  command.addCommand(
    new Command('ipvsadm')
      .summary('of the rules that "ipvsadm -S" or "ipvsadm-save" printed')
      .argument('<file>', 'a file; "-": standard input')
      .option('--interface <name>', 'the interface that packets arrive on and leave by', 'eth0')
      .action(async (file: string, { interface: name }: { interface: string }) => {
        const { systemNames } = await import('../../ipvsadm/names.js');
        const { formatConfig } = await import('../../config/index.js');
        const imported = await importRules(readInput(file), name, systemNames());
        print(`# Made of ${file === '-' ? 'rules' : file} by "beeline import ipvsadm".\n`);
        print(formatConfig(imported.model));
        imported.remarks.forEach(({ line, text }) => {
          process.stderr.write(`${file === '-' ? 'stdin' : file}:${line}: ${text}\n`);
        });
        process.exitCode = imported.remarks.some(({ lost }) => lost) ? ExitStatus.failed : ExitStatus.ok;
      }),
  );
  return command;
}

/** @throws BeelineError `CONFIG_UNREADABLE` */
function readInput(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new BeelineError('CONFIG_UNREADABLE', `cannot read ${file}: ${(error as Error).message}`, {
      hint: 'It is what "ipvsadm-save -n > FILE" writes; "-" reads standard input.',
      cause: error,
    });
  }
}

/** What is to be said of a line. */
export interface Remark {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** What the line asks for is not in the configuration. */
  readonly lost: boolean;
}

export interface Imported {
  readonly model: Model;
  readonly remarks: readonly Remark[];
}

/** Carries the rules out, on a model alone. */
export async function importRules(text: string, interfaceName: string, names: Names): Promise<Imported> {
  const { execute } = await import('../../ipvsadm/execute.js');
  const { OfflineDirector } = await import('../../ipvsadm/offline.js');
  const { restoreLines } = await import('../../ipvsadm/restore.js');
  const director = new OfflineDirector({ interfaces: [interfaceName], mode: 'native', services: [] });
  const remarks: Remark[] = [];
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1;
    if (/^\s*#/.test(content)) {
      remarks.push({ line, text: 'a comment, left out', lost: false });
      continue;
    }
    const [given] = restoreLines(content);
    if (given === undefined) {
      continue;
    }
    const words = withoutEngine(given);
    if (words !== given) {
      remarks.push({
        line,
        text: 'a persistence engine (--pe), which Beeline has none of: persistent by address',
        lost: true,
      });
    }
    let said = '';
    const surroundings: Surroundings = {
      director,
      names,
      out: () => undefined,
      err: (more) => (said += more),
      input: () => Promise.resolve(''),
      loopback: () => Promise.resolve([]),
    };
    const status = await execute(words, surroundings);
    const warnings = said.split('\n').filter((each) => each !== '');
    if (status !== 0) {
      remarks.push({ line, text: `left out: ${reason(warnings)}`, lost: true });
    } else {
      warnings.forEach((each) => remarks.push({ line, text: each.replace(/^beeline: warning: /, ''), lost: false }));
    }
  }
  return { model: director.model, remarks };
}

function reason(lines: readonly string[]): string {
  const text = lines.join(' ');
  return text === 'Service not defined' ? 'there is no such service, or it was left out' : text;
}

/** The same words where there is no "--pe". */
function withoutEngine(words: string[]): string[] {
  const at = words.findIndex((word) => word === '--pe' || word.startsWith('--pe='));
  return at < 0 ? words : words.filter((_, i) => i !== at && !(i === at + 1 && words[at] === '--pe'));
}
