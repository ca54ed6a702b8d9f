/** A full flow table: said once for each time that it fills, with the figures since then. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Fill } from '../../../src/director/fill.js';
import type { Logger } from '../../../src/director/log.js';

function recorded(): { fill: Fill; lines: string[] } {
  const lines: string[] = [];
  const note =
    (level: string) =>
    (_: object, message: string): void => {
      lines.push(`${level} ${message}`);
    };
  return { fill: new Fill({ warn: note('warn'), info: note('info') } as unknown as Logger), lines };
}

test('a table that fills is logged once, is a problem of the status with its figures, and its relief is logged', () => {
  const { fill, lines } = recorded();
  const table = (
    used: number,
    full: boolean,
  ): { entries: number; most: number; used: number; full: boolean; fullBuckets: number; bytes: number } => ({
    entries: 4096,
    most: 4096,
    used,
    full,
    fullBuckets: 0,
    bytes: 65_536,
  });
  const quiet = table(1, false);
  fill.update({ ipv4: quiet, ipv6: quiet }, { evicted: 5, refused: 1 });
  assert.deepEqual([fill.problems, lines], [[], []]);
  fill.update({ ipv4: table(3700, true), ipv6: quiet }, { evicted: 10, refused: 1 });
  fill.update({ ipv4: table(4096, true), ipv6: quiet }, { evicted: 1010, refused: 4 });
  assert.equal(fill.problems.length, 1);
  assert.match(
    fill.problems[0]!,
    /^IPv4 flow table full: 4096 of 4096 entries are in use; since then 1000 flows gave way and 3 found no room\./,
  );
  assert.match(fill.problems[0]!, /"flows\.ipv4"/);
  fill.update({ ipv4: quiet, ipv6: quiet }, { evicted: 1010, refused: 4 });
  assert.deepEqual(fill.problems, []);
  fill.update({ ipv4: quiet, ipv6: table(4000, true) }, { evicted: 1010, refused: 4 });
  assert.deepEqual(
    lines.map((line) => line.replace(/:.*/, '')),
    ['warn IPv4 flow table full', 'info the IPv4 flow table is no longer full', 'warn IPv6 flow table full'],
  );
});
