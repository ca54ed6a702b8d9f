/** A separate folder for each test in the BPF file system. */

import { existsSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

import { BPF_FS, ensurePinDirectory } from '../../src/dataplane/index.js';

/** Makes the folder. It is removed with the test. */
export function pinFolder(context: TestContext, path: string): string {
  removeFolder(path);
  ensurePinDirectory(path);
  context.after(() => {
    removeFolder(path);
    // The parent folder is removed with its last instance, as directors do.
    const parent = dirname(path);
    if (parent !== BPF_FS && readdirSync(parent).length === 0) {
      rmdirSync(parent);
    }
  });
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
