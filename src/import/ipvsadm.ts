/** Imports the rules that "ipvsadm -S" or "ipvsadm-save" printed, by running them on a director that is only a model. */

import { Readable } from 'node:stream';

import { type Environment, execute, type Names } from '../ipvsadm/index.js';
import { OfflineDirector, restoreLines } from '../ipvsadm/offline.js';
import type { Imported, Remark } from './result.js';

/** @param interfaceName the interface of the configuration: rules do not name one */
export async function importIpvsadm(text: string, interfaceName: string, names: Names): Promise<Imported> {
  const director = new OfflineDirector({ interfaces: [interfaceName], mode: 'native', services: [] });
  const remarks: Remark[] = [];
  for (const [index, content] of text.split('\n').entries()) {
    const found = await importLine(content, director, names);
    remarks.push(...found.map((remark) => ({ line: index + 1, ...remark })));
  }
  return { model: director.model, remarks };
}

async function importLine(
  content: string,
  director: OfflineDirector,
  names: Names,
): Promise<readonly Omit<Remark, 'line'>[]> {
  if (/^\s*#/.test(content)) {
    return [{ kind: 'translated', text: 'a comment, left out' }];
  }
  const [given] = restoreLines(content);
  if (given === undefined) {
    return [];
  }
  const words = withoutEngine(given);
  const engine: Omit<Remark, 'line'>[] =
    words === given
      ? []
      : [{ kind: 'dropped', text: 'Beeline has no persistence engines (--pe): the service is persistent by address' }];
  return [...engine, ...(await runRule(words, director, names))];
}

/** Runs one rule. Its messages become remarks. */
async function runRule(
  words: readonly string[],
  director: OfflineDirector,
  names: Names,
): Promise<readonly Omit<Remark, 'line'>[]> {
  let printed = '';
  const environment: Environment = {
    director,
    names,
    out: () => undefined,
    err: (text) => (printed += text),
    input: () => Readable.from([]) as AsyncIterable<string>,
    loopback: () => Promise.resolve([]),
  };
  const status = await execute(words, environment);
  const lines = printed.split('\n').filter((line) => line !== '');
  if (status !== 0) {
    return [{ kind: 'dropped', text: reason(lines) }];
  }
  return lines.length === 0
    ? [{ kind: 'kept', text: '' }]
    : lines.map((line) => ({ kind: 'translated', text: line.replace(/^beeline: warning: /, '') }));
}

function reason(lines: readonly string[]): string {
  const text = lines.join(' ');
  return text === 'Service not defined' ? 'the service does not exist, or was left out' : text;
}

/** Removes "--pe NAME"; returns the same array if there is none. */
function withoutEngine(words: string[]): string[] {
  const at = words.findIndex((word) => word === '--pe' || word.startsWith('--pe='));
  return at < 0 ? words : words.filter((_, i) => i !== at && !(i === at + 1 && words[at] === '--pe'));
}
