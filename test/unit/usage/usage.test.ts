/** Definitions of commands made into manual pages and into what shells offer. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { Argument, Command, Option } from 'commander';
import fc from 'fast-check';

import { beeline } from '../../../src/cli/index.js';
import { EXAMPLE, jsonSchema, parseConfig } from '../../../src/config/index.js';
import {
  commandPages,
  complete,
  completes,
  define,
  type Definition,
  exitsWith,
  filePage,
  type Page,
  question,
  reply,
  withExamples,
  withSection,
} from '../../../src/usage/index.js';
import { quoteWord, splitWords } from '../../../src/usage/words.js';

const DATE = new Date('2026-11-21T00:00:00Z');
const EXIT_STATUSES = { 0: 'Done.', 4: 'There are changes.' };

function pagesOf(program: Definition): Page[] {
  return commandPages(program, {
    version: '1.2.3',
    date: DATE,
    introduction: ['What it is.'],
    sections: [],
    exitStatuses: EXIT_STATUSES,
    commonStatuses: [0],
    otherPages: [],
  });
}

/** A program that has a bit of everything. */
function sample(): Command {
  const program = new Command('bee')
    .description('A bee.')
    .enablePositionalOptions()
    .option('--instance <name>', 'which one');
  const fly = new Command('fly')
    .summary('fly somewhere')
    .description('Fly. \'.\' is no macro, \\ is no escape, and --fast is an option, as "beeline list" is a command.')
    .addArgument(completes(new Argument('<where>', 'where to'), ['meadow', 'hive']))
    .addArgument(new Argument('[how...]', 'in which ways').choices(['high', 'low']))
    .addOption(completes(new Option('-o, --output <file>', 'where the track goes').default('track.txt'), 'file'))
    .option('--fast', 'hurry');
  withSection(fly, 'Notes', "'Notes' begin.", [['term', 'what it means']]);
  withExamples(fly, ['bee fly meadow', 'go to work']);
  exitsWith(fly, 4);
  const dance = new Command('dance').summary('tell the others').passThroughOptions();
  dance.addArgument(completes(new Argument('<program...>', 'what is run'), 'program'));
  const hive = new Command('hive').summary('things at home').addCommand(new Command('clean').summary('clean up'));
  return program.addCommand(fly).addCommand(dance).addCommand(hive).addCommand(new Command('secret'), { hidden: true });
}

const SAMPLE = define(sample());

function offered(...words: string[]): string[] {
  return complete(SAMPLE, words).candidates.map(({ value }) => value);
}

test('a page has everything that the definition has, escaped', () => {
  const [, fly] = pagesOf(SAMPLE);
  assert.equal(fly?.file, 'bee-fly.1');
  assert.equal(
    fly.text,
    `.TH BEE\\-FLY 1 2026-11-21 "Beeline 1.2.3" "Beeline manual"
.nh
.ad l
.SH "NAME"
bee\\-fly \\- fly somewhere
.SH "SYNOPSIS"
.SY "bee fly"
[\\fB\\-\\-output\\fR\\~\\fIfile\\fR]
[\\fB\\-\\-fast\\fR]
\\fIwhere\\fR
[\\fIhow\\fR\\~.\\|.\\|.]
.YS
.nh
.SH "DESCRIPTION"
Fly. '.' is no macro, \\e is no escape, and \\fB\\-\\-fast\\fR is an option, as
\\fBbeeline list\\fR is a command.
.SH "ARGUMENTS"
.TP
\\fIwhere\\fR
Where to.
.TP
\\fIhow\\fR
In which ways.
One of high and low.
.SH "OPTIONS"
.TP
\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fIfile\\fR
Where the track goes.
Default: track.txt.
.TP
\\fB\\-\\-fast\\fR
Hurry.
.SH "NOTES"
\\&'Notes' begin.
.TP
\\fBterm\\fR
What it means.
.SH "EXIT STATUS"
.TP
\\fB0\\fR
Done.
.TP
\\fB4\\fR
There are changes.
.SH "EXAMPLES"
Go to work:
.PP
.RS 4
.EX
bee fly meadow
.EE
.RE
.SH "SEE ALSO"
\\fBbeeline\\fR(1)
`,
  );
});

test('sections and examples are in the help too', () => {
  let help = '';
  const fly = sample().commands[0]!;
  fly.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  assert.match(help, /\nNotes:\n {2}'Notes' begin\.\n\n {2}term {2}what it means\n/);
  assert.match(help, /\nExamples:\n {2}go to work:\n {4}bee fly meadow\n$/);
});

test('every command has a page, with every option and every argument of it', async () => {
  const program = define(await beeline());
  const pages = new Map(pagesOf(program).map(({ file, text }) => [file, text]));
  assert.equal(pages.size, program.commands.length + 1);
  const check = (definition: Definition, text: string): void => {
    assert.notEqual(definition.summary, '');
    for (const flag of definition.options.flatMap(({ flags }) => flags).filter((each) => !/^(-h|--help)$/.test(each))) {
      assert.ok(text.includes(`\\fB${flag.replaceAll('-', '\\-')}\\fR`), `${definition.path.join(' ')} ${flag}`);
    }
    definition.commands.forEach((each) => {
      check(each, text);
    });
  };
  for (const command of program.commands) {
    check(command, pages.get(`${command.path.join('-')}.1`)!);
  }
});

test('package.json lists every page, so that npm installs it', async () => {
  const { man } = JSON.parse(readFileSync('package.json', 'utf8')) as { man: string[] };
  const commands = pagesOf(define(await beeline())).map(({ file }) => file);
  const pages = [...commands, 'beeline.yaml.5'].sort().map((file) => `dist/man/${file}`);
  assert.deepEqual(man, pages, '"man" in package.json must list the pages of the manual: change it to these');
});

test('the page of the configuration file has every key and a valid example', () => {
  const { text } = filePage({ schema: jsonSchema(), path: '/x', example: EXAMPLE, version: '1', date: DATE });
  for (const key of ['interfaces', 'scheduler', 'upperThreshold', 'outer', 'synReceived', 'mask']) {
    assert.match(text, new RegExp(`^\\.TP\n\\\\fB${key}\\\\fR \\(`, 'm'));
  }
  assert.match(text, /\\fBtimeouts\\fR \(mapping, see timeouts\)/);
  assert.match(text, /^\.SS ".*health\.checks of type tcp"$/m);
  // Keys that several types share are described once.
  assert.equal(text.split('\n').filter((line) => line.includes('\\fBexpiryDays\\fR')).length, 1);
  assert.equal(parseConfig(EXAMPLE, 'example').services.length, 3);
});

test('commands, options and values are offered where they are valid', () => {
  assert.deepEqual(offered(''), ['fly', 'dance', 'hive', 'help']);
  assert.deepEqual(offered('hive', ''), ['clean', 'help']);
  assert.deepEqual(offered('help', 'hive', ''), ['clean', 'help']);
  assert.deepEqual(offered('fly', ''), ['meadow', 'hive']);
  assert.deepEqual(offered('fly', 'meadow', 'high', ''), ['high', 'low']);
  assert.deepEqual(offered('fly', '-'), ['--output', '--fast', '--help']);
  assert.deepEqual(offered('fly', '--fast', '-'), ['--output', '--help']);
  assert.deepEqual(offered('fly', '--', '-'), ['meadow', 'hive']);
  assert.deepEqual(offered('walk', ''), []);
  assert.deepEqual(offered('hive', 'clean', 'x', ''), []);
});

test('the value of an option is completed as a separate word and after "="', () => {
  assert.equal(complete(SAMPLE, ['fly', '--output', '']).source, 'file');
  assert.equal(complete(SAMPLE, ['fly', '-o', '']).source, 'file');
  const { source, prefix, current } = complete(SAMPLE, ['fly', '--output=tr']);
  assert.deepEqual([source, prefix, current], ['file', '--output=', 'tr']);
  assert.deepEqual(offered('fly', '--output', 'x', ''), ['meadow', 'hive']);
});

test('words that are already typed are passed on, also before the subcommand', () => {
  assert.deepEqual(complete(SAMPLE, ['--instance', 'a', 'fly', 'hive', '--output=x', '']).given, {
    '--instance': 'a',
    '--output': 'x',
    where: 'hive',
  });
});

test('a command line within a command line is found by its start', () => {
  const { source, programAt } = complete(SAMPLE, ['dance', 'ls', '--all', '']);
  assert.deepEqual([source, programAt], ['program', 1]);
  assert.equal(complete(SAMPLE, ['dance', 'ls', '--all', '-']).source, 'program');
});

test('a line is read as bash reads it', () => {
  const values = (line: string): string[] => splitWords(line).map(({ value }) => value);
  assert.deepEqual(values('a  "b c" d\\ e \'f"g\' "h\\"i\\j" '), ['a', 'b c', 'd e', 'f"g', 'h"i\\j', '']);
  assert.deepEqual(splitWords('a "b c').at(-1), { raw: '"b c', value: 'b c', quote: '"' });
  assert.deepEqual(values(''), ['']);
});

test('a quoted word is read back the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (value) => {
      for (const [before, quote, behind] of [
        ['', '', ''],
        ['"', '"', '"'],
        ["'", "'", "'"],
      ] as const) {
        if (value.trim() !== '' || quote !== '') {
          assert.equal(splitWords(`x ${before}${quoteWord(value, quote)}${behind}`)[1]!.value, value);
        }
      }
    }),
  );
});

/** The result for a line when bash replaces a piece of its last word. */
function bashReply(line: string, replaced: string, values: readonly string[]): string[] {
  const asked = question('bash', [line, replaced]);
  const candidates = values.map((value) => ({ value, description: 'x' }));
  return reply('bash', asked, complete(SAMPLE, asked.words), candidates).trimEnd().split('\n');
}

test("bash gets the rest of a word with colons, in the word's quotes", () => {
  const services = ['tcp/10.0.0.1:80', 'tcp/10.0.0.1:443', 'udp/[fd00::1]:53'];
  assert.deepEqual(bashReply('bee fly t', 't', services), ['none', 'tcp/10.0.0.1:80', 'tcp/10.0.0.1:443']);
  assert.deepEqual(bashReply('bee fly tcp/10.0.0.1:8', '8', services), ['none', '80']);
  assert.deepEqual(bashReply('bee fly udp/\\[fd00::1', '1', services), ['none', '1\\]:53']);
  assert.deepEqual(bashReply('bee fly "tcp 1', 'tcp 1', ['tcp 10.0.0.1:80']), ['none', 'tcp 10.0.0.1:80']);
  assert.deepEqual(bashReply('bee fly "tcp 1', '"tcp 1', ['tcp 10.0.0.1:80']), ['none', 'tcp\\ 10.0.0.1:80']);
});

test('other shells get whole words with descriptions', () => {
  const candidates = [{ value: 'a b', description: 'both' }, { value: 'c' }];
  const answer = (shell: 'zsh' | 'fish', words: string[]): string =>
    reply(shell, { words }, complete(SAMPLE, words), candidates);
  assert.equal(answer('zsh', ['fly', '--output=']), 'file\na b\tboth\nc\n');
  assert.equal(answer('fish', ['fly', '--output=']), 'file\n--output=a b\tboth\n--output=c\n');
  assert.equal(answer('fish', ['dance', 'ls', '']), 'program 1\na b\tboth\nc\n');
});
