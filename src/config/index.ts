/** YAML to model, with errors that point at the place. */

import { readFileSync } from 'node:fs';

import { BeelineError, type Model } from '../model/index.js';
import { decodeText, parseConfig } from './parse.js';

export { type Origin, originOf } from './origin.js';
export { ConfigError, parseConfig, type PlacedProblem } from './parse.js';
export { jsonSchema } from './schema.js';
export { configOf, formatConfig, updateConfig } from './write.js';

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
      return { hint: '"beeline run" and "beeline check" take another file\'s name; an example is in the README.' };
    case 'EACCES':
    case 'EPERM':
      return { hint: 'Use sudo.' };
    case 'EISDIR':
      return { hint: 'That is a folder: name the file in it.' };
    default:
      return {};
  }
}
export { EXAMPLE } from './example.js';
