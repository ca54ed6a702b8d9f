/**
 * Bundles the compiled program, dist/src, to dist/app, which starts faster (ADR 26): a file for each entry, and chunks of
 * code that several share or that are loaded late.
 *
 *   node scripts/bundle.js
 *
 * esbuild splits only ES modules. Its chunks become CommonJS afterwards, because Node.js loads that faster, and because V8
 * can cache its code (scripts/load.cjs).
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build, transform } from 'esbuild';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const SOURCE = join(ROOT, 'dist/src');
const APP = join(ROOT, 'dist/app');

/** Each program, with what it loads first, and files that programs start by their path: threads and lab processes. */
const ENTRIES = {
  'cli/main': ['cli/no-inspector'],
  'ipvsadm/main': [],
  'config/parse-thread': [],
  'lab/web-server': [],
  'bench/checks/worker': [],
  'bench/forward/worker': [],
  'bench/latency/echo': [],
  'bench/latency/ping': [],
};
const INTERPRETER = /^#!.*\n/;
/** uPlot is read as a file; msgpackr goes without its accelerator if that is not installed; RE2 is large, and seldom needed. */
const EXTERNAL = ['uplot', 'msgpackr-extract', 're2js'];

const options = { platform: 'node', target: 'node20.19', legalComments: 'none', logLevel: 'warning' };

/** `import.meta.url` is each file's own place, from which it finds the addon, BPF objects and threads. */
const ownPlaces = {
  name: 'own-places',
  setup({ onLoad }) {
    onLoad({ filter: /\/dist\/src\/.*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8')
        .replace(INTERPRETER, '')
        .replaceAll('import.meta.url', `globalThis.beelineSource(${JSON.stringify(relative(SOURCE, path))})`),
    }));
  },
};

async function bundle() {
  const names = [...Object.keys(ENTRIES), ...Object.values(ENTRIES).flat()];
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: names.map((name) => join(SOURCE, `${name}.js`)),
    outdir: join(APP, 'chunks'),
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    splitting: true,
    metafile: true,
    write: false,
    external: EXTERNAL,
    plugins: [ownPlaces],
  });
  mkdirSync(join(APP, 'chunks'), { recursive: true });
  for (const { path, text } of outputFiles) {
    const { code } = await transform(text, { ...options, format: 'cjs', supported: { 'dynamic-import': false } });
    writeFileSync(path, code);
  }
  return chunkNames(metafile);
}

/** @returns the file of each entry, by the entry's name */
function chunkNames(metafile) {
  const chunks = {};
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (entryPoint !== undefined) {
      chunks[relative(SOURCE, join(ROOT, entryPoint)).replace(/\.js$/, '')] = basename(path);
    }
  }
  return chunks;
}

function writeEntry(name, chunks) {
  const path = join(APP, `${name}.js`);
  const load = `${relative(dirname(path), APP)}/load.js`;
  const lines = [...ENTRIES[name], name].map((each) => `load(${JSON.stringify(chunks[each])});\n`);
  const [interpreter = ''] = INTERPRETER.exec(readFileSync(join(SOURCE, `${name}.js`), 'utf8')) ?? [];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `${interpreter}'use strict';\nconst load = require(${JSON.stringify(load)});\n${lines.join('')}`,
    { mode: interpreter === '' ? 0o644 : 0o755 },
  );
}

/** Runs commands that need no daemon and no root, so that their code is cached before anybody waits for it. */
function fillCache() {
  const folder = mkdtempSync(join(tmpdir(), 'beeline-bundle-'));
  const environment = { ...process.env, BEELINE_INSTANCE: 'bundle', NODE_OPTIONS: '' };
  const config = join(folder, 'beeline.yaml');
  const run = (program, ...words) => {
    try {
      execFileSync(process.execPath, [join(APP, program), ...words], { env: environment, stdio: 'ignore' });
    } catch {
      // "status" fails without a daemon.
    }
  };
  writeFileSync(
    config,
    'interfaces: [lo]\nservices:\n  - { address: 192.0.2.1, port: 80, realServers: [192.0.2.2] }\n',
  );
  run('cli/main.js', 'check', config);
  run('cli/main.js', '--help');
  run('cli/main.js', 'status');
  run('cli/main.js', 'list');
  run('cli/main.js', 'ipvsadm', '-Ln');
  run('ipvsadm/main.js', '-Ln');
  rmSync(folder, { recursive: true });
}

rmSync(APP, { recursive: true, force: true });
const chunks = await bundle();
for (const name of Object.keys(ENTRIES)) {
  writeEntry(name, chunks);
}
copyFileSync(join(ROOT, 'scripts/load.cjs'), join(APP, 'load.js'));
writeFileSync(join(APP, 'package.json'), '{ "type": "commonjs" }\n');
fillCache();
