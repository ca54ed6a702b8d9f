/** `beeline init`: asks what a director shall do, writes its first configuration, and says what to run next. */

import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import { Command, Option } from 'commander';

import { BeelineError, DEFAULT_CONFIG_PATH } from '../../model/index.js';
import type * as Room from '../../setup/index.js';
import type { Answers, Ask, Key, NextStep, Question, Surroundings } from '../../setup/index.js';
import { completes, withExamples, withSection } from '../../usage/index.js';
import { jsonOption } from '../arguments.js';
import { interfaces } from '../candidates.js';
import { replaceFile, targetOf } from '../replace-file.js';
import { withQuestions } from '../terminal/ask.js';
import type { Paint } from '../terminal/colour.js';
import { canAsk } from '../terminal/confirm.js';
import { print, printNote, printResult } from '../terminal/print.js';

type Given = Partial<Record<Exclude<Key, 'vip' | 'port' | 'realServer'>, string>> & {
  readonly vip?: readonly string[];
  readonly port?: readonly string[];
  readonly realServer?: readonly string[];
};

interface Options extends Given {
  readonly output: string;
  readonly print?: true;
  readonly yes?: true;
  readonly force?: true;
  readonly json?: true;
}

/** What the command prints with --json. */
export interface InitReport {
  readonly file: string;
  /** What may not be meant. */
  readonly doubts: readonly string[];
  readonly next: readonly NextStep[];
}

export function initCommand(): Command {
  const init = new Command('init')
    .summary('write a first configuration by questions')
    .description(
      'Ask about ten questions, with defaults from what this machine has, write a commented configuration, and say what to ' +
        'run next on each machine. An option answers its question beforehand. Nothing is written before all is answered.',
    )
    .addOption(
      completes(new Option('--interface <name>', 'the interface by which packets of clients come'), interfaces),
    )
    .addOption(new Option('--vip <address...>', 'the VIPs, of one family or both'))
    .addOption(new Option('--protocol <name>', 'tcp or udp'))
    .addOption(new Option('--port <port...>', 'the ports of the service'))
    .addOption(new Option('--scheduler <name>', 'how real servers are chosen'))
    .addOption(new Option('--real-server <address...>', 'the real servers; 192.168.1.32=3 has the weight 3'))
    .addOption(new Option('--persistence <seconds>', 'how long a client keeps its real server; 0: not at all'))
    .addOption(new Option('--check <type>', 'the health check: none, tcp, http, https, tls, smtp, ping, dns:NAME'))
    .addOption(new Option('--second-director <address>', 'another director, which takes over by VRRP; or none'))
    .addOption(new Option('--router-id <number>', 'the VRRP id of both directors'))
    .addOption(new Option('--yes', 'ask nothing: take the default for what no option answers'))
    .addOption(completes(new Option('--output <file>', 'the file to write').default(DEFAULT_CONFIG_PATH), 'file'))
    .addOption(new Option('--print', 'print the configuration instead of writing it').conflicts(['json', 'force']))
    .addOption(new Option('--force', 'replace a file that is there'))
    .addOption(jsonOption())
    .action(initialize);
  return withExamples(
    withSection(init, 'Without a terminal', 'Scripts answer by options: --yes, --vip and --real-server at least.'),
    ['beeline init', 'answer the questions one by one'],
    [
      'beeline init --yes --vip 192.168.1.100 --real-server 192.168.1.31 192.168.1.32=3',
      'take the default for all else',
    ],
    ['beeline init --yes --print --vip fd00::100 --real-server fd00::31 --port 443', 'see the file without writing it'],
  );
}

async function initialize(options: Options): Promise<void> {
  const path = options.print === true ? options.output : targetOf(options.output);
  requireFree(path, options);
  const isAsking = options.yes !== true && options.json !== true && canAsk();
  if (!isAsking && options.yes !== true) {
    const why = options.json === true ? 'with --json nothing is asked' : 'there is no terminal at which to ask';
    throw new BeelineError('USAGE', why, {
      hint: 'Answer by options: beeline init --yes --vip ADDRESS --real-server ADDRESS… ("beeline help init" shows all of them).',
    });
  }
  const room = await import('../../setup/index.js');
  const around = await room.lookAround(new room.Host());
  const answers = isAsking
    ? await withQuestions((prompt) => room.collect(textsOf(options), around, askBy(prompt)))
    : await room.collect(textsOf(options), around, undefined);
  const text = room.configText(answers);
  const doubts = room.doubts(answers, around);
  if (options.print === true) {
    print(text);
    printNote(doubts.map((each) => `note: ${each}\n`).join(''));
    return;
  }
  await write(path, text, options);
  const report = reportOf(room, answers, around, path, doubts);
  printResult(report, options, (paint) => formatReport(report, paint));
}

function reportOf(
  { nextSteps }: Pick<typeof Room, 'nextSteps'>,
  answers: Answers,
  around: Surroundings,
  file: string,
  doubts: readonly string[],
): InitReport {
  const own = around.candidates.find(({ name }) => name === answers.interface);
  return { file, doubts, next: nextSteps(answers, file, own) };
}

/** The options as they would be typed at the questions. */
function textsOf({ vip, port, realServer, ...rest }: Options): Partial<Record<Key, string>> {
  const { interface: name, protocol, scheduler, persistence, check, secondDirector, routerId } = rest;
  const all = { interface: name, protocol, scheduler, persistence, check, secondDirector, routerId };
  const lists = { vip: vip?.join(' '), port: port?.join(' '), realServer: realServer?.join(' ') };
  return Object.fromEntries(Object.entries({ ...all, ...lists }).filter(([, value]) => value !== undefined));
}

/** Asks at the terminal: what helps, then the question, its default in brackets. */
function askBy(prompt: (text: string) => Promise<string>): Ask {
  return async ({ text, help, standard }: Question, mistake) => {
    const lines = mistake === undefined ? ['', ...help.map((line) => `  ${line}`)] : [`  ${mistake}.`];
    const label = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${standard === undefined ? '' : ` [${standard}]`}: `;
    return await prompt([...lines, label].join('\n'));
  };
}

/** @throws BeelineError `USAGE` */
function requireFree(path: string, { print: isPrinted, force }: Options): void {
  if (isPrinted !== true && force !== true && existsSync(path)) {
    throw new BeelineError('USAGE', `${path} is there already: it stays as it is`, {
      hint: 'Name another file by --output, see the new one by --print, or replace it by --force.',
    });
  }
}

/** @throws BeelineError `CONFIG_UNWRITABLE`, `USAGE` */
async function write(path: string, text: string, options: Options): Promise<void> {
  // The questions took a while.
  requireFree(path, options);
  if (path === DEFAULT_CONFIG_PATH) {
    makeFolder(dirname(path));
  }
  await replaceFile(path, text, undefined);
}

/** @throws BeelineError `CONFIG_UNWRITABLE` */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new BeelineError('CONFIG_UNWRITABLE', `cannot make ${folder}: ${(error as Error).message}`, {
      hint: 'Use sudo, or name another file by --output.',
      cause: error,
    });
  }
}

function formatReport({ file, doubts, next }: InitReport, paint: Paint): string {
  const notes = doubts.map((each) => `${paint('warning', 'note')}  ${each}\n`).join('');
  const steps = next.map(({ where, command, why }, i) => {
    const isNew = where !== next[i - 1]?.where;
    return `${isNew ? `\nOn ${where}\n`.replace('On or', 'Or') : ''}  ${paint('name', command)}\n    ${paint('faint', why)}\n`;
  });
  return `${file}: written\n${notes}${steps.join('')}`;
}
