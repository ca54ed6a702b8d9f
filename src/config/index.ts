/** Configuration files: YAML to model and back, with errors that name line and column. */

import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';

import { BeelineError, type Model } from '../model/index.js';
import { parseConfigAside } from './aside.js';
import { decodeText, otherHosts, parseConfig } from './parse.js';

export { parseConfigAside } from './aside.js';
export { EXAMPLE } from './example.js';
export { type Origin, originOf } from './origin.js';
export { ConfigError, otherHosts, parseConfig, type PlacedProblem } from './parse.js';
export { re2Problem } from './re2.js';
export { jsonSchema } from './schema.js';
export { configOf } from './to-config.js';
export { formatConfig, updateConfig } from './write.js';

/** A configuration file as it was read. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  readonly model: Model;
}

/** @throws BeelineError `CONFIG_UNREADABLE`; ConfigError */
export function readConfig(path: string): Model {
  return readConfigFile(path).model;
}

/**
 * @param kind `regular`: refuses what is no regular file. A daemon would wait for a FIFO's other end, and find it empty at the
 *   next reload; commands read what is piped into them.
 * @throws BeelineError `CONFIG_UNREADABLE`; ConfigError
 */
export function readConfigFile(path: string, kind: FileKind = 'any'): ConfigFile {
  const text = readText(path, kind);
  return { path, text, model: parseConfig(text, path) };
}

/** The same, but a large file is parsed in a thread of its own. */
export async function readConfigFileAside(path: string, kind: FileKind = 'any'): Promise<ConfigFile> {
  const text = readText(path, kind);
  return { path, text, model: await parseConfigAside(text, path) };
}

/**
 * Returns the other hosts that a configuration file serves, with what it says of each.
 *
 * @throws BeelineError `CONFIG_UNREADABLE`; ConfigError
 */
export function readOtherHosts(path: string): ReturnType<typeof otherHosts> {
  return otherHosts(readText(path, 'regular'), path);
}

type FileKind = 'any' | 'regular';

function readText(path: string, kind: FileKind): string {
  let bytes: Uint8Array;
  try {
    bytes = kind === 'any' ? readFileSync(path === '-' ? process.stdin.fd : path) : readRegularFile(path);
  } catch (error) {
    if (error instanceof BeelineError) {
      throw error;
    }
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BeelineError(
      'CONFIG_UNREADABLE',
      code === 'ENOENT' ? `there is no configuration file ${path}` : `cannot read ${path}: ${message}`,
      { ...hintFor(code), cause: error },
    );
  }
  return decodeText(bytes, path);
}

/** @throws BeelineError `CONFIG_UNREADABLE`; errors of the file system */
function readRegularFile(path: string): Uint8Array {
  // Before it is opened: that alone does something to some devices.
  requireRegular(path, statSync(path));
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    requireRegular(path, fstatSync(file));
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function requireRegular(path: string, stats: Stats): void {
  // Reading a folder fails with an error that has a hint.
  if (!stats.isFile() && !stats.isDirectory()) {
    const kind = stats.isFIFO() ? 'a FIFO' : stats.isSocket() ? 'a socket' : 'a device';
    throw new BeelineError('CONFIG_UNREADABLE', `${path} is ${kind}, not a file`, {
      hint: 'The daemon reads its configuration again at every reload: give it a regular file.',
    });
  }
}

function hintFor(code: string | undefined): { hint?: string } {
  switch (code) {
    case 'ENOENT':
      return { hint: 'Give "beeline run" or "beeline check" the name of another file; the README has an example.' };
    case 'EACCES':
    case 'EPERM':
      return { hint: 'Use sudo.' };
    case 'EISDIR':
      return { hint: 'It is a folder: name a file in it.' };
    default:
      return {};
  }
}
