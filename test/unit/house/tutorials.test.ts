/** The tutorials: the lab runs all that their reader types, and each is found from the index. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';

import { HOSTS, STANDBY } from '../../../src/lab/index.js';
import { comparable, stepsOf, tutorialOf } from '../../support/pages.js';

const FOLDER = 'docs/tutorials';
const PAGES = readdirSync(FOLDER).filter((name) => name !== 'README.md');
const NAMES = new Set([...HOSTS, STANDBY].map(({ name }): string => name).concat('real'));

test('every block of a tutorial is for a host, or nobody would run it', () => {
  assert.ok(PAGES.length >= 4);
  for (const page of PAGES) {
    const parts = tutorialOf(readFileSync(`${FOLDER}/${page}`, 'utf8'));
    assert.ok(parts.length > 20, page);
    assert.deepEqual(
      parts.map(({ host }) => host!).filter((host) => !NAMES.has(host)),
      [],
      page,
    );
  }
});

test('a block without a host is refused, with its line', () => {
  for (const block of ['beeline list', '$ beeline list', 'director# ls\nfile\n$ ls']) {
    assert.throws(() => tutorialOf(`A page.\n\n\`\`\`\n${block}\n\`\`\`\n`), /line 3: this block is for no host/);
  }
  assert.throws(() => tutorialOf('```yaml\ninterfaces: [ens3]\n```\n'), /line 1/);
});

test('a command ends where its output begins, and goes on after ">"', () => {
  const page =
    "```\nreal1# cat <<'END'\n> a\n> b\n> END\na\nb\nclient# true\n```\n\n```yaml\n# director: w.yaml\na: 1\n```\n";
  assert.deepEqual(tutorialOf(page), [
    { host: 'real1', command: "cat <<'END'\na\nb\nEND", output: 'a\nb' },
    { host: 'client', command: 'true', output: '' },
    { host: 'director', name: 'w.yaml', text: '# director: w.yaml\na: 1\n' },
  ]);
  assert.deepEqual(stepsOf('```\n$ ls\nfile\n```\n'), [{ command: 'ls', output: 'file' }]);
});

test('what is compared is the same at another time, and no less', () => {
  assert.equal(comparable('up 4 s  L7 status 200, 1.4 ms'), comparable('up  35 s L7 status 200, 20 ms'));
  assert.notEqual(comparable('L7 status 200, 1.4 ms'), comparable('L7 status 503, 1.4 ms'));
  const macs = (last: string): string => `00:50:00:00:04:00 > 00:50:00:00:0${last}:00, IPv4, length 74`;
  assert.notEqual(comparable(macs('1')), comparable(macs('2')));
});

test('the index names every tutorial, and README.md the index', () => {
  const index = readFileSync(`${FOLDER}/README.md`, 'utf8');
  const linked = Array.from(index.matchAll(/^\d\. \[.*?\]\((.*?)\)/gm), ([, page]) => page);
  assert.deepEqual(linked, [...PAGES].sort());
  assert.ok(readFileSync('README.md', 'utf8').includes(`(${FOLDER}/README.md)`));
});

test('every link of a tutorial to a file or a heading in it leads somewhere', () => {
  const headingsOf = (text: string): string[] =>
    Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
  for (const page of [...PAGES, 'README.md']) {
    for (const [, path, anchor] of readFileSync(`${FOLDER}/${page}`, 'utf8').matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)) {
      const target = readFileSync(path === '' ? `${FOLDER}/${page}` : `${FOLDER}/${path!}`, 'utf8');
      assert.ok(anchor === undefined || headingsOf(target).includes(anchor), `${page}: ${path!}#${anchor!}`);
    }
  }
});
