/** Tells one content of a configuration file from another. Pure. */

import { createHash } from 'node:crypto';

import type { Model } from '../model/index.js';

/** Identifies a content. */
export interface Origin {
  /** SHA-256 of the file's bytes. */
  readonly text: string;
  /** SHA-256 of the model: it differs if more than comments and spaces changed. */
  readonly meaning: string;
}

export function originOf({ text, model }: { readonly text: string; readonly model: Model }): Origin {
  const digest = (content: string): string => createHash('sha256').update(content).digest('hex');
  return { text: digest(text), meaning: digest(JSON.stringify(model)) };
}
