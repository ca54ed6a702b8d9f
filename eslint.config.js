/** Lint rules: typescript-eslint's strictest, and which room may know which (docs/architecture.md). */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const root = dirname(fileURLToPath(import.meta.url));

/** For each room in src/, the rooms it may import. */
export const ROOMS = {
  model: [],
  usage: [],
  schedule: [],
  native: [],
  libbpf: ['native'],
  config: ['model', 'schedule'],
  dataplane: ['libbpf', 'model', 'native', 'schedule'],
  net: ['model', 'native'],
  control: ['model'],
  director: ['config', 'control', 'dataplane', 'model', 'native', 'net'],
  ipvsadm: ['control', 'model'],
  lab: ['model'],
  bench: ['dataplane', 'lab', 'libbpf', 'model', 'native'],
  maps: ['dataplane', 'libbpf', 'model'],
  cli: ['bench', 'config', 'control', 'director', 'ipvsadm', 'lab', 'maps', 'model', 'usage'],
};

const roomRules = Object.entries(ROOMS).map(([room, allowed]) => ({
  files: [`src/${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: `^(\\.\\./)+(?!(${[...allowed, 'nothing-else'].join('|')})/)`,
            message: `src/${room} may import ${allowed.length === 0 ? 'no other room' : allowed.join(', ')} (eslint.config.js).`,
          },
        ],
      },
    ],
  },
}));

export default defineConfig(
  globalIgnores(['dist/', 'native/build/', 'coverage/']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Indices into arrays that were just filled; noUncheckedIndexedAccess makes each of them visible.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    // node:test's functions return promises that the runner awaits.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] },
          ],
        },
      ],
    },
  },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
  ...roomRules,
);
