/** Frames that were recorded with the kernel's IPVS go where they went there, or it is known why not. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { type Difference, differencesIn } from '../support/replay.js';

/** A known difference, and why. Without lines, the section is not held to anything. */
interface Known extends Difference {
  readonly why: string;
}

/** Reads test/golden/ipvs/differences.txt: the differences of each recording. */
function knownDifferences(): Map<string, Known[]> {
  const files = readFileSync('test/golden/ipvs/differences.txt', 'utf8').split(/^= /m).slice(1);
  return new Map(
    files.map((text): [string, Known[]] => {
      const [file = '', ...sections] = text.trimEnd().split('\n## ');
      const known = sections.map((section): Known => {
        const [title = '', ...lines] = section.trimEnd().split('\n');
        const isReason = (line: string): boolean => line.startsWith('# ');
        return { title, why: lines.filter(isReason).join(' '), lines: lines.filter((line) => !isReason(line)) };
      });
      return [file.trim(), known];
    }),
  );
}

/** The settings of IPVS that Beeline behaves as (ADR 13); the other sections are there to be read. */
const AS_BEELINE = /conn_reuse_mode 1, expire_nodest_conn 1(?!.*template 1)/;

for (const [file, known] of knownDifferences()) {
  test(`frames go where IPVS sent them: ${file}`, async () => {
    const all = await differencesIn(file, (title) => !title.includes('conn_reuse_mode') || AS_BEELINE.test(title));
    // A difference that is gone must go from the list, too.
    const found = all.map(({ title, lines }) => ({
      title,
      lines: known.find((each) => each.title === title)?.lines.length === 0 ? [] : lines,
    }));
    assert.deepEqual(
      found,
      known.map(({ title, lines }) => ({ title, lines })),
    );
    assert.ok(known.every(({ why }) => why !== ''));
  });
}
