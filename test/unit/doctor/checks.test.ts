/** The doctor's checks: each has a page, and none finds anything where nothing is wrong. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { CHECKS, diagnose } from '../../../src/doctor/index.js';
import { cleanFacts, directorFacts } from '../../support/facts.js';

const PAGES = fileURLToPath(new URL('../../../../docs/doctor/', import.meta.url));

test('a director with nothing wrong has no findings', () => {
  const diagnosis = diagnose(cleanFacts());
  assert.deepEqual(diagnosis.findings, []);
  assert.equal(diagnosis.status, 0);
});

test('what could not be gathered breaks no check and gives no findings', () => {
  const diagnosis = diagnose({ director: directorFacts(), notLookedAt: [] });
  assert.deepEqual(diagnosis.findings, []);
});

test('each check has a page, and a line in the list of checks; there is no other page', () => {
  const list = readFileSync(`${PAGES}README.md`, 'utf8');
  const names = CHECKS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, about } of CHECKS) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    const page = readFileSync(`${PAGES}${name}.md`, 'utf8');
    assert.ok(page.startsWith(`# ${name}\n`), name);
    for (const part of ['What happens', 'What mends it']) {
      assert.ok(page.includes(part), `${name}: ${part}`);
    }
    const row = list.split('\n').find((line) => line.includes(`](${name}.md)`));
    assert.equal(row?.split('|')[2]?.trim(), about, name);
  }
  const pages = readdirSync(PAGES).filter((file) => file !== 'README.md');
  assert.deepEqual(pages.toSorted(), names.map((name) => `${name}.md`).toSorted());
});
