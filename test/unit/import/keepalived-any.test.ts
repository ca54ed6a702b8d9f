/** Whatever is in a file, its import gives a valid configuration, or an error that says why not. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import fc from 'fast-check';

import { parseConfig } from '../../../src/config/index.js';
import { formatReport } from '../../../src/import/index.js';
import { BeelineError } from '../../../src/model/index.js';
import { imported } from '../../support/keepalived.js';

const FOLDER = 'test/golden/import/keepalived';
const GOLDEN = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.conf'))
  .map((name) => readFileSync(join(FOLDER, name), 'utf8'));

/** Words of keepalived's files, and what stands between them. */
const WORDS = [...new Set(GOLDEN.flatMap((text) => text.split(/[ \t\n]+/)))].filter((word) => word !== '');

function check(text: string): void {
  try {
    const { yaml, remarks, model } = imported({ 'k.conf': text, 'policy.inc': 'lvs_method DR\n' });
    assert.equal(parseConfig(yaml, 'beeline.yaml').services.length, model.services.length);
    formatReport(remarks, { file: 'k.conf', verbose: true });
  } catch (error) {
    assert.ok(error instanceof BeelineError && error.code !== 'INTERNAL', String(error));
  }
}

test('any text gives a configuration or an error that says why not', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), check), { numRuns: 100 });
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...WORDS, '\n', '\n', '{\n', '}\n', '"', "'", '\\', '$', '~SEQ(A,1,3)'), {
        maxLength: 150,
      }),
      (words) => {
        check(words.join(' '));
      },
    ),
    { numRuns: 100 },
  );
});

const mutation = fc.record({
  text: fc.constantFrom(...GOLDEN),
  edits: fc.array(
    fc.record({
      at: fc.nat(),
      cut: fc.nat(20),
      put: fc.oneof(
        fc.constantFrom(...WORDS, '\n', '{', '}', '"', '\\', '#', '$', '', ' '),
        fc.string({ maxLength: 5 }),
      ),
    }),
    { minLength: 1, maxLength: 8 },
  ),
});

test('any change of a file gives a configuration or an error that says why not', () => {
  fc.assert(
    fc.property(mutation, ({ text, edits }) => {
      check(
        edits.reduce((now, { at, cut, put }) => {
          const place = now.length === 0 ? 0 : at % now.length;
          return `${now.slice(0, place)}${put}${now.slice(place + cut)}`;
        }, text),
      );
    }),
    { numRuns: 200 },
  );
});

test('any line of a file may be missing, or be there twice', () => {
  const cases = GOLDEN.flatMap((text) => text.split('\n').map((line, i, lines) => ({ line, i, lines })));
  fc.assert(
    fc.property(fc.constantFrom(...cases), fc.boolean(), ({ line, i, lines }, twice) => {
      check(lines.toSpliced(i, 1, ...(twice ? [line, line] : [])).join('\n'));
    }),
    { numRuns: 150 },
  );
});
