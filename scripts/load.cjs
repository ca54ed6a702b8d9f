/**
 * Loads the bundled program: scripts/bundle.js copies this file to dist/app.
 *
 * Node.js 20 has no cache for compiled code (module.enableCompileCache() came with 22.1, and its folder would be one in /tmp,
 * where another user could lay code for root). So V8's code cache is kept here, beside the code and under the same owner. A
 * chunk's name has the checksum of its content, a folder the version of Node.js, and V8 refuses what does not fit its flags.
 */
'use strict';

const {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} = require('node:fs');
const { dirname, join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { Script } = require('node:vm');

const CHUNKS = join(__dirname, 'chunks');
const CACHE = join(__dirname, 'cache', `${process.version}-${process.arch}`);
/** The daemon ends at once: it is another process's turn to forward. Commands end long before this. */
const COMMAND_SECONDS = 10;

/** The exports of each chunk that has been loaded, by its file's name. */
const loaded = new Map();
/** The chunks that had no cached code, by their file's name. */
const uncached = new Map();

/** Bundled code stands for many files: each asks for its own place, under dist/app as it was under dist/src. */
globalThis.beelineSource = (path) => pathToFileURL(join(__dirname, path)).href;

function load(name) {
  let module = loaded.get(name);
  if (module === undefined) {
    module = { exports: {} };
    loaded.set(name, module);
    const filename = join(CHUNKS, name);
    // The bundle is ASCII, and V8 takes Latin-1 as it is.
    const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(filename, 'latin1')}\n})`;
    const cachedData = cachedCode(name);
    const script = new Script(source, { filename, cachedData });
    // V8 rejects the code of another build of itself, or of other flags.
    if (cachedData === undefined || script.cachedDataRejected) {
      uncached.set(name, script);
    }
    script.runInThisContext()(module.exports, requireFromChunk, module, filename, CHUNKS);
  }
  return module.exports;
}

const requireFromChunk = Object.assign((id) => (id.startsWith('./') ? load(id.slice(2)) : require(id)), require);

function cachedCode(name) {
  try {
    return readFileSync(join(CACHE, name));
  } catch {
    // There is none yet, or it is not for this user.
    return undefined;
  }
}

/** Only the owner of the code writes its cache: nobody else's words become what root runs, and no file of root's stays. */
function keepCode() {
  if (uncached.size === 0 || process.uptime() > COMMAND_SECONDS || process.geteuid() !== statSync(__dirname).uid) {
    return;
  }
  try {
    for (const folder of [dirname(CACHE), CACHE]) {
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, 0o755);
    }
    for (const [name, script] of uncached) {
      write(join(CACHE, name), script.createCachedData());
    }
  } catch {
    // A disk may be full or read-only. The next command compiles again.
  }
}

/** Others see the whole file or none, also after a power failure: V8 trusts what it reads. */
function write(path, bytes) {
  const temporary = `${path}.${process.pid}`;
  const file = openSync(temporary, 'w', 0o644);
  try {
    writeSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  chmodSync(temporary, 0o644);
  renameSync(temporary, path);
}

process.on('exit', keepCode);

module.exports = load;
