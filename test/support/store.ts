/** Stores in a folder of a test. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { type Format, Store } from '../../src/store/index.js';

/** A folder that goes with the test. */
export function folderFor(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'beeline-'));
  context.after(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

/** @param said takes what the store reports */
export function storeAt<Value>(path: string, format: Format<Value>, said: string[] = [], retryMs = 20): Store<Value> {
  return new Store({
    path,
    format,
    retryMs,
    report: (level, message) => {
      said.push(`${level}: ${message}`);
    },
  });
}
