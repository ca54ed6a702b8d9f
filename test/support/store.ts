/** Stores in a folder of a test. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { type Format, type Moment, Store } from '../../src/store/index.js';

/** A folder that goes with the test. */
export function folderFor(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'beeline-'));
  context.after(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

/** At which the wall clock and the one since boot tell the same. */
export const NOW: Moment = { boot: 'test', bootMs: 0, wallMs: 0 };

/** @param said takes what the store reports */
export function storeAt<Value>(
  path: string,
  format: Format<Value>,
  said: string[] = [],
  { retryMs = 20, clock = () => NOW }: { retryMs?: number; clock?: () => Moment } = {},
): Store<Value> {
  return new Store({
    path,
    format,
    clock,
    retryMs,
    report: (level, message) => {
      said.push(`${level}: ${message}`);
    },
  });
}
