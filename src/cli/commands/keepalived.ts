/** `beeline keepalived write`: writes keepalived's configuration, by which several directors share the VIPs. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Command, Option } from 'commander';

import type { TextOrigin, Validation } from '../../fleet/index.js';
import { BeelineError, virtualRouters } from '../../model/index.js';
import { completes, withExamples, withSection } from '../../usage/index.js';
import { configArgument, jsonOption } from '../arguments.js';
import { instanceFor, instanceOption } from '../instance.js';
import { replaceFile, targetOf } from '../replace-file.js';
import type { Paint } from '../terminal/colour.js';
import { formatQuantity } from '../terminal/format.js';
import { print, printNote, printResult } from '../terminal/print.js';

const WHOLE_PATH = '/etc/keepalived/keepalived.conf';
const INCLUDE_PATH = '/etc/keepalived/beeline.conf';

interface Options {
  readonly output?: string;
  readonly print?: true;
  readonly include?: true;
  readonly force?: true;
  readonly json?: true;
}

interface Report {
  readonly file: string;
  /** Whether the file has another content than before. */
  readonly changed: boolean;
  readonly routers: readonly string[];
  readonly validated: Validation['state'];
  /** What keepalived says of a configuration that it takes. */
  readonly notes: readonly string[];
  readonly missingInterfaces: readonly string[];
}

export function keepalivedCommand(): Command {
  return new Command('keepalived')
    .summary('write the configuration of keepalived')
    .description('Write the configuration of keepalived, by which several directors share the VIPs.')
    .addCommand(writeCommand());
}

function writeCommand(): Command {
  const write = new Command('write')
    .summary("write keepalived's configuration from Beeline's")
    .description(
      'Write the configuration of keepalived that "vrrp" in the configuration file asks for. It tells keepalived which VIPs ' +
        'there are, and that a director may be master only while it forwards. keepalived checks it first, if it is ' +
        'installed. The file is replaced as a whole, or not at all; one that Beeline did not write, or that somebody ' +
        'edited since, is not replaced.',
    )
    .addArgument(configArgument())
    .addOption(
      completes(
        new Option('--output <file>', `the file to write (default: ${WHOLE_PATH}, or ${INCLUDE_PATH} with --include)`),
        'file',
      ).conflicts('print'),
    )
    .addOption(new Option('--print', 'print the configuration instead of writing it').conflicts('json'))
    .addOption(new Option('--include', 'write a part that a keepalived.conf of your own includes'))
    .addOption(new Option('--force', 'replace a file that Beeline did not write, or that somebody edited since'))
    .addOption(instanceOption())
    .addOption(jsonOption())
    .action(writeConf);
  return withExamples(
    withSection(
      write,
      'Several directors',
      'The directors have different priorities: in a file each, or under "hosts" of one file for all. docs/failover.md goes from nothing to two directors, step by step.',
    ),
    ['beeline keepalived write && systemctl reload keepalived', 'write the file, and let keepalived read it'],
    ['beeline keepalived write --print', 'see what would be written'],
    [
      'beeline keepalived write --include',
      `write ${INCLUDE_PATH}, for "include ${INCLUDE_PATH}" in a keepalived.conf of your own`,
    ],
  );
}

async function writeConf(config: string, options: Options, command: Command): Promise<void> {
  const { readConfig } = await import('../../config/index.js');
  const { keepalivedConf, marked } = await import('../../fleet/index.js');
  const model = readConfig(config);
  const form = options.include === true ? 'include' : 'whole';
  const text = marked(keepalivedConf(model, instanceFor(command), form));
  const validation = await requireValid(text);
  if (options.print === true) {
    print(text);
    printNote(notesOf(validation).join(''));
    return;
  }
  const report = await writeTo(options.output ?? (form === 'whole' ? WHOLE_PATH : INCLUDE_PATH), text, options);
  const { state, problems, missing } = validation;
  const whole: Report = {
    ...report,
    routers: virtualRouters(model).map(({ name }) => name),
    ...{ validated: state, notes: problems, missingInterfaces: missing },
  };
  const isRead = options.output === undefined || [WHOLE_PATH, INCLUDE_PATH].includes(resolve(options.output));
  printResult(whole, options, (paint) => formatWritten(whole, isRead, validation, paint));
}

/** @throws BeelineError `KEEPALIVED_REFUSED` */
async function requireValid(text: string): Promise<Validation> {
  const { validateConf } = await import('../../fleet/index.js');
  const validation = await validateConf(text);
  if (validation.state === 'refused') {
    const lines = validation.problems.map((each) => `\n  ${each}`).join('');
    throw new BeelineError(
      'KEEPALIVED_REFUSED',
      `keepalived refuses this configuration, so nothing was written:${lines}`,
      {
        hint: '"beeline keepalived write --print" is not checked further: compare its lines with keepalived.conf(5).',
      },
    );
  }
  return validation;
}

/** @throws BeelineError `KEEPALIVED_FOREIGN`, `CONFIG_UNWRITABLE`, `USAGE` */
async function writeTo(file: string, text: string, { force }: Options): Promise<Pick<Report, 'file' | 'changed'>> {
  const { originOfText } = await import('../../fleet/index.js');
  const path = targetOf(file);
  const before = readBefore(path);
  const origin = before === undefined ? 'own' : originOfText(before);
  if (origin !== 'own' && force !== true) {
    throw foreign(path, origin);
  }
  if (before === text) {
    return { file: path, changed: false };
  }
  await replaceFile(path, text, before);
  return { file: path, changed: true };
}

/** Returns what is in the file; undefined: there is none. @throws BeelineError `CONFIG_UNREADABLE` */
function readBefore(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      return undefined;
    }
    throw new BeelineError('CONFIG_UNREADABLE', `cannot read ${path}: ${message}`, {
      hint: 'Use sudo, or name another file by --output.',
      cause: error,
    });
  }
}

function foreign(path: string, origin: Exclude<TextOrigin, 'own'>): BeelineError {
  const what = origin === 'foreign' ? 'was not written by Beeline' : 'was edited since Beeline wrote it';
  return new BeelineError('KEEPALIVED_FOREIGN', `${path} ${what}: it stays as it is`, {
    hint:
      '"beeline keepalived write --include" writes a part that your file includes; "--output FILE" names another file; ' +
      '"--force" replaces it.',
  });
}

/** "note  …" lines: what of the check people should know. */
function notesOf({ state, problems, missing }: Validation, paint: Paint = (_style, text) => text): string[] {
  const texts = [
    ...problems.map((each) => `keepalived says: ${each}`),
    ...missing.map((name) => `the interface ${name} does not exist here`),
    ...(state === 'absent' ? ['keepalived is not installed here, so that it did not check the file'] : []),
    ...(state === 'unanswered' ? ['keepalived did not answer in time, so that it did not check the file'] : []),
  ];
  return texts.map((text) => `${paint('warning', 'warning')}  ${text}\n`);
}

/** @param isRead whether keepalived reads that file */
function formatWritten(
  { file, changed, routers }: Report,
  isRead: boolean,
  validation: Validation,
  paint: Paint,
): string {
  const what = `${formatQuantity(routers.length, 'virtual router')}${changed ? '' : ', unchanged'}`;
  const next = changed && isRead ? 'now "systemctl reload keepalived"\n' : '';
  return `${file}: ${what}\n${notesOf(validation, paint).join('')}${next}`;
}
