/** Text that reaches a terminal: no sequence of a name or a file is obeyed by it. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { printableName, printableText } from '../../../src/model/printable.js';

test('sequences that set a title, move the cursor or turn the direction of text are escaped', () => {
  for (const [text, printed] of [
    ['\u001b]0;x\u0007', '\\u001b]0;x\\u0007'],
    ['\u009b2J', '\\u009b2J'],
    ['a\rb\bc\u007f', 'a\\u000db\\u0008c\\u007f'],
    ['\u202e txt.exe \u2066', '\\u202e txt.exe \\u2066'],
    ['é 名前 ✓', 'é 名前 ✓'],
  ] as const) {
    assert.equal(printableText(text), printed);
    assert.equal(printableText(text, true), printed);
    assert.equal(printableName(text), printed);
  }
});

test('lines and tabs stay in text and not in a name; colours stay only where there are colours', () => {
  assert.deepEqual([printableText('a\tb\n'), printableName('a\tb\n')], ['a\tb\n', 'a\\u0009b\\u000a']);
  assert.deepEqual(
    [printableText('\u001b[31mred\u001b[0m', true), printableText('\u001b[31mred')],
    ['\u001b[31mred\u001b[0m', '\\u001b[31mred'],
  );
});

test('escaped JSON means the same', () => {
  const value = { '\u007f\u009b': '\u202e\u001b[2J\n' };
  assert.deepEqual(JSON.parse(printableText(JSON.stringify(value, undefined, 2))), value);
});
