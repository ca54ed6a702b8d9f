/** Configuration files: YAML to model and back, with errors that name line and column. */

import { readFileSync } from 'node:fs';

import { BeelineError, type Model } from '../model/index.js';
import { parseConfigAside } from './aside.js';
import { decodeText, parseConfig } from './parse.js';

export { parseConfigAside } from './aside.js';
export { EXAMPLE } from './example.js';
export { type Origin, originOf } from './origin.js';
export { ConfigError, parseConfig, type PlacedProblem } from './parse.js';
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

/** @throws BeelineError `CONFIG_UNREADABLE`; ConfigError */
export function readConfigFile(path: string): ConfigFile {
  const text = readText(path);
  return { path, text, model: parseConfig(text, path) };
}

/** The same, but a large file is parsed in a thread of its own. */
export async function readConfigFileAside(path: string): Promise<ConfigFile> {
  const text = readText(path);
  return { path, text, model: await parseConfigAside(text, path) };
}

function readText(path: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BeelineError(
      'CONFIG_UNREADABLE',
      code === 'ENOENT' ? `there is no configuration file ${path}` : `cannot read ${path}: ${message}`,
      { ...hintFor(code), cause: error },
    );
  }
  return decodeText(bytes, path);
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
