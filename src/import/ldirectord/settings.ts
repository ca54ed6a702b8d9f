/** The settings that ldirectord knows, globally and in a section, and how the value of each is read. Pure. */

import { nearest } from '../../model/index.js';
import type { Setting } from './lines.js';
import type { Report } from './report.js';

/**
 * How a value is read. `quoted`: only within double quotes. `plain`: with or without. `number`: the first digits anywhere.
 * `positive`: the same, and not 0.
 */
type Form = 'quoted' | 'plain' | 'text' | 'number' | 'positive' | 'port' | 'yes-no';

const COMMON = {
  checktimeout: 'positive',
  negotiatetimeout: 'positive',
  checkinterval: 'positive',
  checkcount: 'positive',
  failurecount: 'positive',
  fallback: 'text',
  fallback6: 'text',
  fallbackcommand: 'plain',
  quiescent: 'yes-no',
  cleanstop: 'yes-no',
  emailalert: 'plain',
  emailalertfreq: 'number',
  emailalertstatus: 'text',
  smtp: 'text',
} as const satisfies Record<string, Form>;

export const GLOBAL = {
  ...COMMON,
  autoreload: 'yes-no',
  callback: 'quoted',
  logfile: 'quoted',
  execute: 'text',
  fork: 'yes-no',
  supervised: 'yes-no',
  readdquiescent: 'yes-no',
  emailalertfrom: 'text',
  maintenancedir: 'text',
} as const satisfies Record<string, Form>;

export const SECTION = {
  ...COMMON,
  request: 'quoted',
  receive: 'quoted',
  checktype: 'text',
  checkcommand: 'plain',
  checkport: 'port',
  login: 'quoted',
  passwd: 'quoted',
  database: 'quoted',
  secret: 'quoted',
  load: 'quoted',
  scheduler: 'text',
  persistent: 'number',
  schedflags: 'text',
  netmask: 'text',
  protocol: 'text',
  ops: 'yes-no',
  service: 'text',
  httpmethod: 'text',
  virtualhost: 'plain',
  monitorfile: 'plain',
  servicename: 'text',
  comment: 'text',
} as const satisfies Record<string, Form>;

export type GlobalKey = keyof typeof GLOBAL;
export type SectionKey = keyof typeof SECTION;

/** Keys of sections that may be there several times, each for itself. */
const REPEATED: readonly string[] = ['real', 'real6'];

export interface Value {
  readonly line: number;
  readonly text: string;
}

/** The values that are in force. */
export class Settings<Key extends string> {
  readonly #values: ReadonlyMap<string, Value>;

  constructor(values: ReadonlyMap<string, Value>) {
    this.#values = values;
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key);
  }

  text(key: Key): string | undefined {
    return this.#values.get(key)?.text;
  }

  number(key: Key): number | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : Number(text);
  }

  is(key: Key): boolean {
    return this.text(key) === 'yes';
  }

  all(): Iterable<[string, Value]> {
    return this.#values;
  }
}

/** Reads the settings of one place. Says of each that is none, is wrong, or is there twice, that it is dropped. */
export function readSettings<Key extends string>(
  settings: readonly Setting[],
  forms: Readonly<Record<Key, Form>>,
  report: Report,
): Settings<Key> {
  const values = new Map<string, Value>();
  for (const { line, key, value } of settings) {
    if (REPEATED.includes(key) && 'request' in forms) {
      continue;
    }
    const form = Object.hasOwn(forms, key) ? forms[key as Key] : undefined;
    if (form === undefined) {
      report.dropped(line, unknown(key, Object.keys(forms)));
      continue;
    }
    const read = readValue(value, form);
    if (read === undefined) {
      report.dropped(line, `${key} ${FORM_WORDS[form]}: ldirectord refuses the file`);
      continue;
    }
    const before = values.get(key);
    if (before !== undefined && key !== 'execute') {
      report.unneeded(before.line, `${key} is there again in line ${line}, which counts`);
    }
    values.set(key === 'execute' ? `execute ${line}` : key, { line, text: read });
  }
  return new Settings<Key>(values);
}

const FORM_WORDS: Readonly<Record<Form, string>> = {
  quoted: 'needs a text in double quotes (# begins a comment in quotes, too)',
  plain: 'needs a value',
  text: 'needs a value',
  number: 'needs a number',
  positive: 'needs a number above 0',
  port: 'needs a port from 1 to 65535',
  'yes-no': 'must be yes or no',
};

function readValue(value: string, form: Form): string | undefined {
  switch (form) {
    case 'quoted':
      return /^"(.+)"/.exec(value)?.[1];
    case 'plain':
      return (/^"(.*)"/.exec(value)?.[1] ?? value) || undefined;
    case 'text':
      return value || undefined;
    case 'yes-no':
      return /^(yes|no)\b/.exec(value)?.[1];
    default:
      return readNumber(value, form);
  }
}

function readNumber(value: string, form: 'number' | 'positive' | 'port'): string | undefined {
  const digits = /\d+/.exec(value)?.[0];
  const number = Number(digits);
  if (digits === undefined || (form !== 'number' && number === 0) || (form === 'port' && number > 0xffff)) {
    return undefined;
  }
  return String(number);
}

function unknown(key: string, known: readonly string[]): string {
  if (key === 'timeout' || key === 'connecttimeout') {
    return `ldirectord has no ${key} any more, and refuses the file; it has checktimeout and negotiatetimeout`;
  }
  const isElsewhere = Object.hasOwn(GLOBAL, key) || Object.hasOwn(SECTION, key) || REPEATED.includes(key);
  if (isElsewhere) {
    const where = Object.hasOwn(GLOBAL, key) ? 'outside of sections' : 'in a section below "virtual"';
    return `ldirectord knows ${key} only ${where}, and refuses the file`;
  }
  const meant = nearest(key.toLowerCase(), [...known, ...REPEATED]);
  return `ldirectord knows no ${key}, and refuses the file${meant === undefined ? '' : `; is it ${meant}?`}`;
}
