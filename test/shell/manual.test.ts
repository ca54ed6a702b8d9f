/** The manual as the programs that show it see it. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Terminal } from '../support/terminal.js';

const MAIN = fileURLToPath(new URL('../../app/cli/main.js', import.meta.url));

let folder: string;
let pages: string[];

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'beeline-manual-'));
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'manual', '--output', folder], { encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
  pages = readdirSync(folder).map((file) => join(folder, file));
});

after(() => {
  rmSync(folder, { recursive: true });
});

/** The output of a program for all pages together. */
function said(command: string, ...args: string[]): string {
  const { stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  assert.equal(error, undefined);
  return stdout + stderr;
}

test('mandoc has no complaint about any page', () => {
  assert.equal(said('mandoc', '-Tlint', ...pages), '');
});

test('groff has no complaint about any page', () => {
  assert.equal(said('groff', '-man', '-ww', '-z', ...pages), '');
});

test('man shows every page without a complaint', () => {
  for (const page of pages) {
    const text = said('man', '--warnings', '--encoding', 'UTF-8', '--local-file', page);
    assert.match(text, /^NAME\n {7}beeline/m, page);
    assert.doesNotMatch(text, /:\d+: warning/, page);
  }
});

test('every page has a name and a summary that "apropos" can find', () => {
  const found = said('lexgrog', ...pages);
  assert.equal(found.split('\n').filter((line) => /: "beeline[a-z.-]* - .+"$/.test(line)).length, pages.length);
});

test('no page needs more than 80 columns, except for commands that must be one line', () => {
  for (const page of pages) {
    const text = said('man', '--encoding', 'UTF-8', '--local-file', page);
    const tooLong = text.split('\n').filter((line) => line.length > 80 && !/^ {11}\S/.test(line));
    assert.deepEqual(tooLong, [], page);
  }
});

test('"beeline manual" shows a page on a terminal, and reports a page that does not exist', async () => {
  const terminal = new Terminal(`${process.execPath} ${MAIN} manual lab up`, { MANPAGER: 'cat' });
  assert.match(await terminal.ended(), /beeline-lab - build a test network/);
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'manual', 'honey'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /no page "honey"/);
});
