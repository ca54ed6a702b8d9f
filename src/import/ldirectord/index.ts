/** Imports a file of ldirectord (1.186-ha, Debian's): its services, real servers and checks. */

import { BeelineError, printableName } from '../../model/index.js';
import type { Imported } from '../result.js';
import { readLines } from './lines.js';
import type { Lookups } from './lookups.js';
import { type Fallback, readFallback } from './real-servers.js';
import { Report } from './report.js';
import { type Draft, draftOf } from './section.js';
import { GLOBAL, readSettings, type GlobalKey, type Settings } from './settings.js';
import { settle } from './settle.js';
import { sayGlobals } from './words.js';

export { type Lookups, systemLookups } from './lookups.js';

/** Characters of a file: a large one has some ten thousand. */
export const MOST_LDIRECTORD_CHARACTERS = 1 << 20;
/** Of all services together. */
const MOST_REAL_SERVERS = 50_000;

/**
 * @param interfaceName the interface of the configuration: the file names none
 * @throws BeelineError `IMPORT_INVALID` if it is no file of ldirectord; ConfigError if the interface cannot be one
 */
export async function importLdirectord(text: string, interfaceName: string, lookups: Lookups): Promise<Imported> {
  requireText(text);
  const report = new Report();
  const { globals: lines, sections } = readLines(text, report);
  const globals = readSettings(lines, GLOBAL, report);
  const globalFallbacks = {
    4: await globalFallback('fallback', globals, lookups, report),
    6: await globalFallback('fallback6', globals, lookups, report),
  };
  const drafts: Draft[] = [];
  let realServers = 0;
  for (const section of sections) {
    const draft = await draftOf(section, { globals, globalFallbacks, lookups, report });
    realServers += draft?.realLines.length ?? 0;
    if (realServers > MOST_REAL_SERVERS) {
      throw new BeelineError('IMPORT_INVALID', `the file has more than ${MOST_REAL_SERVERS} real servers`);
    }
    if (draft !== undefined) {
      drafts.push(draft);
    }
  }
  sayGlobals(globals, report);
  const model = settle(drafts, interfaceName, report);
  return { model, remarks: report.remarks() };
}

async function globalFallback(
  key: 'fallback' | 'fallback6',
  globals: Settings<GlobalKey>,
  lookups: Lookups,
  report: Report,
): Promise<Fallback | undefined> {
  const given = globals.get(key);
  const fallback = given && (await readFallback(given, key === 'fallback6' ? 6 : 4, lookups, report));
  if (given !== undefined && fallback?.port !== undefined) {
    report.note(given.line, 'direct routing changes no port: packets go to the port of each service');
  }
  return fallback;
}

function requireText(text: string): void {
  if (text.length > MOST_LDIRECTORD_CHARACTERS) {
    throw new BeelineError('IMPORT_INVALID', `the file has more than ${MOST_LDIRECTORD_CHARACTERS} characters`, {
      hint: 'Name a file that ldirectord reads.',
    });
  }
  const control = /[\u0000-\u0008\u000e-\u001f\u007f]/.exec(text);
  if (control !== null) {
    const line = text.slice(0, control.index).split('\n').length;
    throw new BeelineError('IMPORT_INVALID', `the file is no text: line ${line} has "${printableName(control[0])}"`, {
      hint: 'Name a file that ldirectord reads.',
    });
  }
}
