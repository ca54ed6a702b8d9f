/** Values of differences as people read them. Pure. */

import type { Plain } from './difference.js';
import { printableName } from './printable.js';

/** Longer texts, such as regular expressions, are cut. */
const MOST_CHARACTERS = 60;

/** Returns a value in words: "wlc", "tcp, https (path /health, status 200-299)", "{id 7, outer 8}"; "default" for none. */
export function plainText(value: Plain | undefined): string {
  if (value === undefined) {
    return 'default';
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? 'none' : (value as Plain[]).map(plainText).join(', ');
  }
  return typeof value === 'object' ? mappingText(value as Readonly<Record<string, Plain>>) : wordText(String(value));
}

function wordText(word: string): string {
  const text = printableName(word);
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

function mappingText({ type, ...rest }: Readonly<Record<string, Plain>>): string {
  if (typeof type === 'string') {
    const settings = settingsText(rest);
    return settings === '' ? type : `${type} (${settings})`;
  }
  const { first, last, ...others } = rest;
  if (typeof first === 'number' && typeof last === 'number' && Object.keys(others).length === 0) {
    return first === last ? String(first) : `${first}-${last}`;
  }
  return `{${settingsText(rest)}}`;
}

function settingsText(settings: Readonly<Record<string, Plain>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${isListOfSeveral(value) ? `[${plainText(value)}]` : plainText(value)}`)
    .join(', ');
}

/** Its commas would be taken for those between settings. */
function isListOfSeveral(value: Plain): boolean {
  return Array.isArray(value) && value.length > 1;
}
