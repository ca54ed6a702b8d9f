/** Configuration files: YAML to model and back, with errors that name line and column. */

import { readFileSync } from 'node:fs';

import { BeelineError, type Model } from '../model/index.js';
import { decodeText, parseConfig } from './parse.js';

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
  const text = decodeText(bytes, path);
  return { path, text, model: parseConfig(text, path) };
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
