/** Lint rules: typescript-eslint's strictest, and which room may know which (docs/architecture.md). */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const root = dirname(fileURLToPath(import.meta.url));

/** For each room in src/, the rooms it may import. A room is entered by its face, index.ts. */
export const ROOMS = {
  model: [],
  usage: [],
  native: [],
  layout: [],
  packet: ['model'],
  store: ['model'],
  libbpf: ['native'],
  config: ['model'],
  net: ['model', 'native', 'packet'],
  control: ['model', 'packet'],
  image: ['layout', 'model'],
  oracle: ['image', 'layout', 'model'],
  dataplane: ['image', 'layout', 'libbpf', 'model', 'native', 'oracle', 'packet', 'store'],
  health: ['layout', 'libbpf', 'model', 'native', 'net'],
  director: [
    'config',
    'control',
    'dataplane',
    'health',
    'image',
    'layout',
    'model',
    'native',
    'net',
    'packet',
    'store',
  ],
  ipvsadm: ['control', 'model'],
  import: ['config', 'ipvsadm', 'model'],
  fleet: ['model'],
  steps: ['model'],
  realserver: ['model', 'steps'],
  setup: ['config', 'model', 'native', 'net', 'packet', 'steps'],
  doctor: ['control', 'model', 'native', 'net', 'packet', 'realserver', 'steps'],
  lab: ['model', 'packet'],
  bench: ['dataplane', 'health', 'image', 'lab', 'layout', 'libbpf', 'model', 'native', 'net', 'packet'],
  inspect: ['dataplane', 'layout', 'libbpf', 'model'],
  cli: [
    'bench',
    'config',
    'control',
    'director',
    'doctor',
    'fleet',
    'import',
    'inspect',
    'ipvsadm',
    'lab',
    'layout',
    'model',
    'packet',
    'realserver',
    'setup',
    'store',
    'usage',
  ],
};

/** Files beside index.ts by which a room may be entered, and why. */
export const SECOND_FACES = {
  // The daemon's end of the socket loads zod, which would double the time that a command takes to start.
  'control/server': ['director'],
  // "beeline stop --detach" works without a daemon, and need not load one.
  'director/detach': ['cli'],
  // Commands tell of a director without a daemon, and need not load one.
  'director/offline': ['cli', 'ipvsadm'],
  // A director whose real servers are not checked does not load what makes checks (its libraries alone take some 30 ms).
  'health/rules': ['director'],
  // Only shells that complete a command line need it.
  'ipvsadm/completion': ['cli'],
  // Only importers run rules without a daemon; the two files would add about 1.5 ms (0.7 ms each, measured) to every "ipvsadm -Ln".
  'ipvsadm/offline': ['import'],
  // It needs no zod, which the rest of the room loads.
  'store/marked': ['fleet', 'steps'],
};

const faces = (room, allowed) => [
  ...allowed.map((other) => `${other}/index\\.js$`),
  ...Object.entries(SECOND_FACES)
    .filter(([, users]) => users.includes(room))
    .map(([face]) => `${face}\\.js$`),
];

/** Forbids to import paths that match, by a statement, by a call, and for a type alone. */
const forbidImports = (regex, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ regex, message }] }],
  'no-restricted-syntax': [
    'error',
    ...[`ImportExpression[source.value=${slashed(regex)}]`, `TSImportType[source.value=${slashed(regex)}]`].map(
      (selector) => ({ selector, message }),
    ),
  ],
});

const slashed = (regex) => `/${regex.replaceAll('/', '\\/')}/`;

/** Files stand at most two folders deep in a room: the way out of it is longer by one "../" for each. */
const DEPTHS = [0, 1, 2];

const roomRules = Object.entries(ROOMS).flatMap(([room, allowed]) =>
  DEPTHS.map((depth) => ({
    files: [`src/${room}/${'*/'.repeat(depth)}*.ts`],
    rules: forbidImports(
      `^(\\.\\./){${depth + 1},}(?!\\.\\.)(?!${[...faces(room, allowed), 'nothing-else'].join('|')})`,
      `src/${room} may import ${allowed.length === 0 ? 'no other room' : `the faces of ${allowed.join(', ')}`} (eslint.config.js).`,
    ),
  })),
);

/** Tests enter rooms by their faces, but for the unit tests of a room, which may enter all of it. */
const testRules = [undefined, ...Object.keys(ROOMS)].map((room) => ({
  files: [room === undefined ? 'test/**/*.ts' : `test/unit/${room}/*.ts`],
  rules: forbidImports(
    `^(\\.\\./)+src/(?!${[room && `${room}/`, '[a-z]+/index\\.js$', ...Object.keys(SECOND_FACES).map((face) => `${face}\\.js$`)].filter(Boolean).join('|')})`,
    'Tests enter rooms by their faces, index.ts (eslint.config.js).',
  ),
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
      // There are no enums (erasableSyntaxOnly); to look for them takes a tenth of the time.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
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
  ...testRules,
  { files: ['src/**/*.ts'], rules: { 'max-lines-per-function': ['error', { max: 70 }] } },
);
