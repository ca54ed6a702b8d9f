/** The doctor's checks: each has a page, and none finds anything where nothing is wrong. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { PARTS } from '../../../src/doctor/check.js';
import { CHECKS, diagnose, type Facts, partsFor } from '../../../src/doctor/index.js';
import { hostWith } from '../../support/facts-host.js';
import { cleanFacts, directorFacts, PROBES, SILENT } from '../../support/facts.js';

const PAGES = fileURLToPath(new URL('../../../../docs/doctor/', import.meta.url));

/** Facts that make many checks look further than they do where nothing is wrong. */
function spoiltFacts(): Facts {
  const realServers = PROBES.realServers.map((each) => ({ ...each, ping: SILENT, offLink: each.ping }));
  const settings = { 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/all/arp_ignore': '1' };
  return cleanFacts({ host: hostWith(settings), probes: { ...PROBES, realServers } });
}

test('an examination that could not ask the network does not end as if nothing were wrong', () => {
  assert.equal(diagnose(cleanFacts({ isIncomplete: true })).status, 1);
});

test('a director with nothing wrong has no findings', () => {
  const diagnosis = diagnose(cleanFacts());
  assert.deepEqual(diagnosis.findings, []);
  assert.equal(diagnosis.status, 0);
});

test('what could not be gathered breaks no check and gives no findings', () => {
  const diagnosis = diagnose({ director: directorFacts(), notLookedAt: [] });
  assert.deepEqual(diagnosis.findings, []);
});

test('what a page has to be typed is typed as it stands: remarks begin with #, and sysctls are the kernel’s', () => {
  for (const name of CHECKS.map((each) => each.name)) {
    const page = readFileSync(`${PAGES}${name}.md`, 'utf8');
    const lines = [...page.matchAll(/^```\n([^]*?)^```$/gm)].flatMap(([, text]) => text!.trimEnd().split('\n'));
    for (const line of lines.filter((each) => /^[a-z]+ /.test(each))) {
      assert.doesNotMatch(line.replace(/ +# .*$/, ''), / {2}| \(/, `${name}: ${line}`);
      const { status, stderr } = spawnSync('bash', ['-n'], { input: `${line}\n`, encoding: 'utf8' });
      assert.equal(status, 0, `${name}: ${line}: ${stderr}`);
      for (const [, key] of line.matchAll(/(?<= )((?:net|kernel)[\w.-]+)=/g)) {
        const path = `/proc/sys/${key!.replaceAll('.', '/').replace('/ens3/', '/lo/')}`;
        // Modules that are not loaded, and kernels without them.
        const isModule = /^net\.(bridge|netfilter)\.|bpf_/.test(key!);
        assert.ok(isModule || existsSync(path), `${name}: ${path}`);
      }
    }
  }
});

test('a check says what it reads: of other facts it sees nothing, and finds the same', () => {
  const everything = { ...spoiltFacts(), remote: [] };
  for (const { name, reads, find } of CHECKS) {
    const seen = new Set<string>();
    const watched = new Proxy(everything, {
      get: (facts, key, self): unknown => {
        seen.add(String(key));
        return Reflect.get(facts, key, self);
      },
    });
    find(watched);
    const parts = PARTS.filter((each) => seen.has(each));
    assert.deepEqual(
      parts.filter((each) => !reads.includes(each)),
      [],
      name,
    );
  }
  assert.deepEqual([...partsFor(['single-server'])], []);
  assert.ok(partsFor().has('probes'));
});

test('each check has a page, and a line in the list of checks; there is no other page', () => {
  const list = readFileSync(`${PAGES}README.md`, 'utf8');
  const names = CHECKS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, about } of CHECKS) {
    assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    const page = readFileSync(`${PAGES}${name}.md`, 'utf8');
    assert.ok(page.startsWith(`# ${name}\n`), name);
    for (const part of ['What happens', 'How the doctor sees it', 'What mends it']) {
      assert.ok(page.includes(part), `${name}: ${part}`);
    }
    const row = list.split('\n').find((line) => line.includes(`](${name}.md)`));
    assert.equal(row?.split('|')[2]?.trim(), about, name);
  }
  const pages = readdirSync(PAGES).filter((file) => file !== 'README.md');
  assert.deepEqual(pages.toSorted(), names.map((name) => `${name}.md`).toSorted());
});
