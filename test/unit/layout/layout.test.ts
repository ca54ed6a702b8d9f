/** The offsets that TypeScript uses are those of the program that is shipped. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { DIRECTOR_OBJECT, EXPLAIN_OBJECT, HOST_OBJECT } from '../../../src/dataplane/index.js';
import * as layout from '../../../src/layout/generated.js';
import { CHECK_OBJECT } from '../../../src/health/index.js';
import { Btf } from '../../../src/libbpf/index.js';
import { MAX_DIRECTORS, MAX_INTERFACES } from '../../../src/model/index.js';

test("the generated module matches the object's BTF", () => {
  const objects = [DIRECTOR_OBJECT, EXPLAIN_OBJECT, CHECK_OBJECT, HOST_OBJECT];
  const fresh = execFileSync(process.execPath, ['scripts/generate-layout.js', ...objects], { encoding: 'utf8' });
  assert.equal(readFileSync('src/layout/generated.ts', 'utf8'), fresh);
});

test('every offset and size matches the BTF as read by the binding', () => {
  const btf = Btf.parse(DIRECTOR_OBJECT);
  const structs = [
    ['control', layout.control],
    ['geometry', layout.geometry],
    ['service4', layout.service4],
    ['service6', layout.service6],
    ['services4', layout.services4],
    ['services6', layout.services6],
    ['destination', layout.destination],
    ['destinations', layout.destinations],
    ['egress', layout.egress],
    ['nic', layout.nic],
    ['nics', layout.nics],
    ['identity', layout.identity],
    ['counter', layout.counter],
    ['service_verdicts', layout.serviceVerdicts],
  ] as const;
  for (const [name, generated] of structs) {
    const { size, members } = btf.struct(name);
    const fields = Object.entries(generated).filter(([field]) => field !== 'byteLength');
    assert.equal(generated.byteLength, size, name);
    assert.deepEqual(
      fields.map(([, field]) => (field as { offset: number }).offset),
      members.map(({ bitOffset }) => bitOffset / 8),
      name,
    );
    assert.deepEqual(
      fields.map(([, field]) => (field as { size: number }).size),
      members.map(({ type }) => btf.sizeOf(type)),
      name,
    );
  }
});

test('the limits on interfaces and directors match the room in the tables', () => {
  const { directors } = layout.destinations;
  assert.equal(MAX_DIRECTORS, directors.size / directors.stride);
  // A quarter of the entries: then a multiplier under which none collide is soon found.
  assert.equal(MAX_INTERFACES, layout.nics.entry.size / layout.nics.entry.stride / 4);
});
