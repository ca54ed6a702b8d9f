/** How figures and tables look on a terminal. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { stripVTControlCharacters } from 'node:util';

import { coloured, wantsColours } from '../../../src/cli/terminal/colour.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatQuantity,
  formatShare,
  formatTable,
} from '../../../src/cli/terminal/format.js';
import { formatLine, serializeError } from '../../../src/director/index.js';
import { BeelineError } from '../../../src/model/index.js';

test('columns are as wide as their widest cell, and lines end without spaces', () => {
  const table = formatTable(
    [{ title: 'NAME' }, { title: 'N', align: 'right' }, { title: 'STATE' }],
    [
      ['a', '1', 'up'],
      ['longer', '10', ''],
    ],
    '  ',
  );
  assert.equal(table, '  NAME     N  STATE\n  a        1  up\n  longer  10\n');
});

test('colours move no column, and surround only their text', () => {
  const columns = [
    { title: 'STATE', style: () => 'good' as const },
    { title: 'N', align: 'right' as const },
  ];
  const rows = [
    ['up', '1'],
    ['', '10'],
  ];
  const table = formatTable(columns, rows, '  ', coloured);
  assert.equal(stripVTControlCharacters(table), formatTable(columns, rows, '  '));
  assert.match(table, /\n {2}\x1b\[32mup\x1b\[39m {6}1\n {2} {7}10\n/);
});

test('only terminals get colours, unless the environment says otherwise', () => {
  const terminal = { isTTY: true };
  for (const [stream, environment, colours] of [
    [terminal, {}, true],
    [terminal, { TERM: 'xterm-256color', NO_COLOR: '' }, true],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '0' }, false],
    [terminal, { TERM: 'dumb' }, false],
    [terminal, { FORCE_COLOR: '0' }, false],
    [{}, {}, false],
    [{}, { FORCE_COLOR: '' }, true],
    [{}, { FORCE_COLOR: '3' }, true],
    [{}, { FORCE_COLOR: 'false' }, false],
    [{}, { TERM: 'dumb', FORCE_COLOR: '1' }, true],
    [{}, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ] as const) {
    assert.equal(wantsColours(stream, environment), colours, JSON.stringify([stream, environment]));
  }
});

test('byte counts have at most three digits', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [99_440, '99.4 kB'],
    [99_960, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [1e21, '1000 EB'],
  ];
  for (const [bytes, text] of cases) {
    assert.equal(formatBytes(bytes), text);
  }
});

test('durations show their two largest units', () => {
  const cases: [number, string][] = [
    [0, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min 0 s'],
    [3_661_000, '1 h 1 min'],
    [90_000_000, '1 d 1 h'],
    [-5, '0 s'],
  ];
  for (const [milliseconds, text] of cases) {
    assert.equal(formatDuration(milliseconds), text);
  }
});

test('counts and shares are formatted', () => {
  assert.equal(formatCount(1_234_567), '1,234,567');
  assert.equal(formatShare(1 / 3), '33.3%');
});

test('a log line for people quotes what has spaces', () => {
  const line = {
    level: 40,
    time: '2026-11-21T10:08:01.123Z',
    msg: 'careful',
    a: 1,
    b: 'x',
    c: 'two words',
    d: { e: 1 },
  };
  assert.equal(formatLine(line, 'plain'), '10:08:01 warn  careful a=1 b=x c="two words" d={"e":1}\n');
});

test('in the journal each line has its priority, and no time', () => {
  const at = { time: '2026-11-21T10:08:01.123Z', a: 1 };
  assert.equal(formatLine({ ...at, level: 50, msg: 'first\nsecond' }, 'journal'), '<3>first\n<3>second a=1\n');
  for (const [level, priority] of [
    [60, 2],
    [40, 4],
    [30, 6],
    [20, 7],
  ] as const) {
    assert.equal(formatLine({ ...at, level, msg: 'said' }, 'journal'), `<${priority}>said a=1\n`);
  }
});

test('an error that a user can fix is logged without a stack, and a bug with one', () => {
  const cause = new Error('EBUSY');
  const error = new BeelineError('XDP_REFUSED', 'it is taken', { hint: 'Use --replace.', cause });
  assert.deepEqual(serializeError(error), {
    type: 'BeelineError',
    code: 'XDP_REFUSED',
    message: 'it is taken',
    hint: 'Use --replace.',
  });
  assert.match((serializeError(cause) as { stack: string }).stack, /format\.test/);
});

test('a quantity of one is singular', () => {
  assert.equal(formatQuantity(1, 'service'), '1 service');
  assert.equal(formatQuantity(0, 'service'), '0 services');
  assert.equal(formatQuantity(1200, 'real server'), '1,200 real servers');
});

test('an error in a log line is its message and not its stack', () => {
  const err = { type: 'Error', message: 'it broke', stack: 'Error: it broke\n at …' };
  assert.equal(
    formatLine({ level: 50, time: '2026-11-21T10:08:01.123Z', msg: 'failed', err }, 'plain'),
    '10:08:01 error failed err="it broke"\n',
  );
});
