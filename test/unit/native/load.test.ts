/** What a user reads if the addon does not load. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { loadAddon } from '../../../src/native/load.js';

/** Fails as require() does. */
function failing(code: string, message: string): () => never {
  return () => {
    throw Object.assign(new Error(message), { code });
  };
}

test('a missing library, a missing addon and one that does not fit are sentences that say what to install', () => {
  const cases: readonly (readonly [code: string, message: string, told: RegExp])[] = [
    [
      'ERR_DLOPEN_FAILED',
      'libbpf.so.1: cannot open shared object file: No such file or directory',
      /^the library libbpf 1\.x is missing: install the package libbpf1 /,
    ],
    [
      'ERR_DLOPEN_FAILED',
      "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found\n(required by bpf.node)",
      /^the addon does not load on this system: .*GLIBCXX_3\.4\.32' not found$/,
    ],
    [
      'MODULE_NOT_FOUND',
      "Cannot find module '../../native/linux-riscv64/bpf.node'\nRequire stack:\n- x",
      /^there is no addon for linux-riscv64: in a checkout run "scripts\/build"/,
    ],
  ];
  for (const [code, message, told] of cases) {
    assert.throws(() => loadAddon(failing(code, message), 'linux-riscv64'), {
      code: 'ADDON_UNUSABLE',
      name: 'AddonError',
      message: told,
    });
  }
});

test('an error of the addon itself is not taken for a missing package', () => {
  const defect = new TypeError('a defect');
  assert.throws(
    () =>
      loadAddon(() => {
        throw defect;
      }, 'linux-x64'),
    defect,
  );
});
