/** The reference pages name what the code has: each of it, and nothing besides. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { pathToFileURL } from 'node:url';

import { EXIT_MEANINGS, ExitStatus } from '../../../src/cli/index.js';
import { parseConfig } from '../../../src/config/index.js';
import { VERDICTS } from '../../../src/layout/index.js';
import { ERROR_CODES, WARNING_CODES } from '../../../src/model/index.js';

/** The first cells of a page's table. */
function firstCells(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^\| `([A-Za-z_-]+)` +\|/gm)].map(([, name]) => name!);
}

test("the README's configuration is valid", () => {
  const [, yaml] = /```yaml\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'))!;
  assert.equal(parseConfig(yaml!, 'README.md').services.length, 2);
});

test('every verdict is explained', () => {
  assert.deepEqual(firstCells('docs/verdicts.md'), VERDICTS);
});

test('every code of an error or a warning is explained', () => {
  assert.deepEqual(firstCells('docs/errors.md'), [...ERROR_CODES, ...WARNING_CODES]);
});

test('every exit status is explained in the same words as in the manual', () => {
  const rows = [...readFileSync('docs/exit-status.md', 'utf8').matchAll(/^\| (\d+) +\| (.*?) +\|$/gm)];
  assert.deepEqual(
    rows.map(([, status, meaning]) => [Number(status), meaning!.replaceAll('`', '"')]),
    Object.entries(EXIT_MEANINGS).map(([name, meaning]) => [ExitStatus[name as keyof typeof ExitStatus], meaning]),
  );
});

const ARCHITECTURE = readFileSync('docs/architecture.md', 'utf8');

test("the architecture's table of rooms is the one that ESLint enforces", async () => {
  // Not compiled with the tests: it is JavaScript, at the root.
  const { ROOMS } = (await import(pathToFileURL('eslint.config.js').href)) as { ROOMS: Record<string, string[]> };
  const rows = ARCHITECTURE.matchAll(/^\| `([a-z]+)` +\| .*? \| ([a-z, –]+?) +\|$/gm);
  assert.deepEqual(
    Object.fromEntries(Array.from(rows, ([, room, allowed]) => [room, allowed === '–' ? [] : allowed!.split(', ')])),
    ROOMS,
  );
});

test('the walks of the architecture lead to files that exist', () => {
  const walks = ARCHITECTURE.slice(ARCHITECTURE.indexOf('## Seven walks'));
  const steps = walks.split('\n').filter((line) => /^\d\. /.test(line));
  assert.equal(steps.length, 36);
  const named = [...walks.matchAll(/`((?:bpf|src|test|docs|scripts)\/[^`]+|package\.json)`/g)].map(([, path]) => path!);
  assert.ok(named.length >= steps.length);
  assert.deepEqual(
    named.filter((path) => !existsSync(path)),
    [],
  );
});
