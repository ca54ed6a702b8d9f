/** A folder of a test's own in the BPF file system. */

import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { ensurePinDirectory } from '../../src/dataplane/pins.js';

/** Makes it; it goes with the test. */
export function pinFolder(context: TestContext, path: string): string {
  removeFolder(path);
  ensurePinDirectory(path);
  context.after(() => {
    removeFolder(path);
  });
  mkdirSync(path, { recursive: true });
  return path;
}

function removeFolder(path: string): void {
  if (!existsSync(path)) {
    return;
  }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      removeFolder(join(path, entry.name));
    } else {
      unlinkSync(join(path, entry.name));
    }
  }
  rmdirSync(path);
}
