/** The thread in which a large configuration is parsed; see aside.ts. */

import { parentPort, workerData } from 'node:worker_threads';

import type { Parsed } from './aside.js';
import { ConfigError, parseConfig } from './parse.js';

const { text, fileName } = workerData as { readonly text: string; readonly fileName: string };

function parse(): Parsed {
  try {
    return { model: parseConfig(text, fileName) };
  } catch (error) {
    if (error instanceof ConfigError) {
      return { problems: error.problems };
    }
    throw error;
  }
}

parentPort!.postMessage(parse());
