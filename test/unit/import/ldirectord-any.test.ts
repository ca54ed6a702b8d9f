/** Any text: the importer of ldirectord's files makes a configuration of it, or refuses it with an error for people. */

import assert from 'node:assert/strict';
import test from 'node:test';

import fc from 'fast-check';

import { formatConfig, parseConfig } from '../../../src/config/index.js';
import { BeelineError } from '../../../src/model/index.js';
import { importText, ldirectordFiles } from '../../support/ldirectord-files.js';

const FILES = ldirectordFiles().map(({ text }) => text);
const LINES = FILES.flatMap((text) => text.split('\n'));

async function isHandled(text: string): Promise<void> {
  try {
    const { model, remarks } = await importText(text);
    assert.deepEqual(parseConfig(formatConfig(model), 'f'), model);
    const count = text.split('\n').length;
    assert.ok(remarks.every(({ line }) => line >= 1 && line <= count));
  } catch (error) {
    if (!(error instanceof BeelineError) || error.code === 'INTERNAL') {
      throw error;
    }
  }
}

test('any text is imported or refused', async () => {
  const words = fc.constantFrom(
    'virtual=',
    'real=',
    '\t',
    '192.168.1.31',
    ':80',
    ' gate',
    '"',
    '->',
    '\n',
    '#',
    '[',
    ']',
  );
  const text = fc.array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(text, (parts) => isHandled(parts.join(''))),
    { numRuns: 500 },
  );
});

test('lines of real files in any order are imported or refused', async () => {
  const section = fc.array(fc.constantFrom(...LINES), { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(section, (lines) => isHandled(lines.join('\n'))),
    { numRuns: 300 },
  );
});

test('real files in which something is cut, doubled or replaced are imported or refused', async () => {
  const change = fc.record({
    file: fc.constantFrom(...FILES),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat(20),
    by: fc.oneof(fc.constantFrom(...LINES), fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constant('99999999999')),
  });
  await fc.assert(
    fc.asyncProperty(change, ({ file, at, length, by }) => {
      const start = Math.floor(at * file.length);
      return isHandled(file.slice(0, start) + by + file.slice(start + length));
    }),
    { numRuns: 300 },
  );
});
