/** Every header of the BPF program has its twin in TypeScript under the same name. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test from 'node:test';

/** Headers without a twin, and why. */
const WITHOUT_TWIN: Readonly<Record<string, string>> = {
  check: 'the table of health checks: no packet of the director meets it',
  count: 'a Decision says what is counted; the rows of counters belong to src/dataplane',
  early: 'hands fragments to the daemon: src/dataplane/early',
  effect: 'macros that write, or note instead: the oracle writes into its own memory',
  explain: 'what is noted of a packet; src/dataplane reads it',
  host: "the tables of the host's own connections: programs beside the director read them",
  layout: 'generated as src/layout',
  rewrite: 'what tc programs beside the director have in common',
  verdict: 'generated as src/layout',
  verifier: 'hints for the verifier',
};

/** Files of the oracle without a header, and why. */
const WITHOUT_HEADER: Readonly<Record<string, string>> = {
  index: 'the face of the room',
  oracle: 'the twin of director.bpf.c',
};

const namesIn = (folder: string, ending: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length));

test('every header of the BPF program has a file of the same name in the oracle, or a reason to have none', () => {
  const headers = namesIn('bpf', '.h').filter((name) => !(name in WITHOUT_TWIN));
  const twins = namesIn('src/oracle', '.ts').filter((name) => !(name in WITHOUT_HEADER));
  assert.deepEqual(twins.sort(), headers.sort());
});

test('no exemption outlives the file that it is for', () => {
  const files = [...namesIn('bpf', '.h'), ...namesIn('src/oracle', '.ts')];
  const exempt = Object.keys({ ...WITHOUT_TWIN, ...WITHOUT_HEADER });
  assert.deepEqual(
    exempt.filter((name) => !files.includes(name)),
    [],
  );
});
