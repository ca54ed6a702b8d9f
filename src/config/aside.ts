/** Parses large configurations in a thread of their own: a daemon must answer others meanwhile. */

import { Worker } from 'node:worker_threads';

import { BeelineError, type Model } from '../model/index.js';
import { ConfigError, parseConfig, type PlacedProblem } from './parse.js';

/** To start the thread takes as long as to parse a file of this size. */
const LARGE_CHARACTERS = 32 << 10;
/** Far more than the largest configuration takes. */
const DEADLINE_MS = 60_000;
const MOST_MEGABYTES = 1024;

/** What the thread sends. */
export type Parsed = { readonly model: Model } | { readonly problems: readonly PlacedProblem[] };

/**
 * The same as parseConfig().
 *
 * @throws ConfigError; BeelineError `CONFIG_INVALID` if the text takes too much memory or time
 */
export async function parseConfigAside(text: string, fileName: string): Promise<Model> {
  if (text.length < LARGE_CHARACTERS) {
    return parseConfig(text, fileName);
  }
  const parsed = await parseInThread(text, fileName);
  if ('problems' in parsed) {
    throw new ConfigError(fileName, parsed.problems);
  }
  return parsed.model;
}

function parseInThread(text: string, fileName: string): Promise<Parsed> {
  const worker = new Worker(new URL('./parse-thread.js', import.meta.url), {
    workerData: { text, fileName },
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEGABYTES },
  });
  return new Promise<Parsed>((resolve, reject) => {
    const refuse = (cause?: Error): void => {
      const message = `${fileName}: takes too much memory or time to read`;
      reject(new BeelineError('CONFIG_INVALID', message, { cause }));
    };
    const timer = setTimeout(refuse, DEADLINE_MS);
    worker.on('message', resolve);
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
        refuse(error);
      } else {
        reject(error);
      }
    });
    worker.on('exit', () => {
      clearTimeout(timer);
      refuse();
    });
  }).finally(() => void worker.terminate());
}
