/** HTTP_GET and SSL_GET. */

import { re2Problem } from '../../config/index.js';
import { type HttpCheck, type HttpRequest, type HttpsCheck, parseIp, type StatusRange } from '../../model/index.js';
import { fates, type Fates, type Handler, readBlock, shown } from './block.js';
import { newCheck, readChecker } from './checker.js';
import type { Context } from './context.js';
import type { CheckSpec } from './spec.js';
import type { Statement } from './text/tree.js';
import { numberOf, switchOf } from './values.js';
import { splitQuoted } from './text/words.js';

interface Url {
  readonly statement: Statement;
  path?: string;
  virtualHost?: string;
  readonly status: StatusRange[];
  regex?: Statement;
  negated?: boolean;
  readonly flags: string[];
}

interface HttpSpec extends CheckSpec {
  readonly urls: Url[];
  virtualHost?: string;
  /** The name that TLS asks for; an empty one: the virtual host. */
  sni?: string;
}

const HTTP_FATES: Fates = new Map(
  fates(
    'translated',
    ['fast_recovery', 'as always: all requests are made at once, one after another'],
    ['http_protocol', 'a check speaks HTTP/1.1'],
    ['tls_compliant', 'as always'],
  ),
);

const URL_FATES: Fates = new Map([
  ...fates(
    'dropped',
    ['digest', 'there are no digests of a response; the status is checked, and body: REGEX can say what it must have'],
    ['regex_min_offset regex_max_offset', 'the expression may match anywhere in the body'],
  ),
  ...fates('translated', ['regex_stack', 'not needed: RE2 has no stack'], ['tls_compliant', 'as always']),
]);

export function readHttp(statement: Statement, context: Context): CheckSpec[] {
  const { report } = context;
  const [keyword] = statement.words;
  const check: HttpSpec = { ...newCheck(statement, { retry: 1, retryDelay: 3 }), urls: [] };
  readChecker(check, context, httpHandlers(context), HTTP_FATES);
  const urls = check.urls.filter(({ path }) => path !== undefined);
  if (urls.length === 0) {
    report.tell('dropped', statement, `${keyword!}: without a url that has a path there is no check, as in keepalived`);
    return [];
  }
  if (urls.length > MOST_REQUESTS) {
    report.tell('dropped', statement, `${keyword!}: only the first ${MOST_REQUESTS} of its ${urls.length} urls`);
  }
  const requests = urls.slice(0, MOST_REQUESTS).map((url) => ({ url, request: requestOf(url, context) }));
  check.build = (virtualHost) => {
    const made = requests.map(({ url, request }): HttpRequest => {
      const host = hostOf(url.virtualHost ?? check.virtualHost ?? virtualHost);
      return { ...request, ...(host !== undefined && { host }) };
    });
    return keyword === 'SSL_GET' ? httpsCheck(made, check) : httpCheck(made);
  };
  check.text = keyword === 'SSL_GET' ? 'https with verify: false, since keepalived verifies no certificate' : 'http';
  return [check];
}

const MOST_REQUESTS = 32;

function httpCheck(requests: readonly HttpRequest[]): HttpCheck {
  const [only] = requests;
  return requests.length === 1 ? { type: 'http', ...only } : { type: 'http', requests };
}

function httpsCheck(requests: readonly HttpRequest[], { sni }: HttpSpec): HttpsCheck {
  const name = sni === '' ? requests[0]?.host?.replace(/:[0-9]+$/, '') : sni;
  const named = name !== undefined && isDomain(name) ? { sni: name } : {};
  return { ...httpCheck(requests), type: 'https', ...named, verify: false };
}

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

function isDomain(name: string): boolean {
  return DOMAIN.test(name) && name.length <= 253 && parseIp(name) === undefined;
}

/** Returns the header if it can be one. */
function hostOf(virtualHost: string | undefined): string | undefined {
  const fits =
    virtualHost !== undefined &&
    virtualHost.length <= 255 &&
    /^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(virtualHost);
  return fits ? virtualHost : undefined;
}

/** Tells of a virtual host, and returns it; undefined: it can be none. */
export function virtualHostOf(statement: Statement, { report }: Context): string | undefined {
  const [, word = ''] = statement.words;
  const host = hostOf(word);
  report.tell(
    host === undefined ? 'dropped' : 'translated',
    statement,
    host === undefined ? `virtualhost: "${shown(word)}" is no name of a host` : `virtualhost: host: ${host}`,
  );
  return host;
}

function httpHandlers(context: Context): [string, Handler<HttpSpec>][] {
  const { report } = context;
  return [
    [
      'url',
      (statement, check) => {
        const url: Url = { statement, status: [], flags: [] };
        const handlers = new Map(urlHandlers(context));
        readBlock(statement.children ?? [], url, { handlers, others: URL_FATES }, 'url', report);
        if (url.path === undefined) {
          report.tell('dropped', statement, 'url: without a path that can be asked for there is no request');
        } else {
          report.keep(statement);
        }
        check.urls.push(url);
      },
    ],
    [
      'virtualhost',
      (statement, check) => {
        const host = virtualHostOf(statement, context);
        Object.assign(check, host === undefined ? {} : { virtualHost: host });
      },
    ],
    [
      'nb_get_retry',
      (statement, { times }) => {
        const retry = numberOf(statement.words[1], 0, 2 ** 32 - 1);
        if (retry === undefined) {
          report.tell('dropped', statement, `nb_get_retry: "${shown(statement.words[1] ?? '')}" is no number of tries`);
        } else {
          times.retry = retry;
          report.tell('translated', statement, `nb_get_retry: fall: ${retry + 1}, the first failure counted`);
        }
      },
    ],
    [
      'enable_sni',
      (statement, check) => {
        if (switchOf(statement.words[1]) === true) {
          check.sni ??= '';
        }
        report.tell('translated', statement, 'enable_sni: sni is the virtual host, if that is a name');
      },
    ],
    [
      'sni_name',
      (statement, check) => {
        const [, name = ''] = statement.words;
        if (name === '' || isDomain(name)) {
          check.sni = name;
          report.tell('translated', statement, `sni_name: sni: ${name === '' ? 'the virtual host' : name}`);
        } else {
          report.tell('dropped', statement, `sni_name: "${shown(name)}" is no name of a host`);
        }
      },
    ],
  ];
}

function urlHandlers(context: Context): [string, Handler<Url>][] {
  const { report } = context;
  return [
    [
      'path',
      (statement, url) => {
        const [, path = ''] = statement.words;
        if (/^\/[\u0021-\u007e]*$/.test(path) && path.length <= 2048) {
          url.path = path;
          report.keep(statement);
        } else {
          report.tell('dropped', statement, `path: "${shown(path)}" is no path of HTTP`);
        }
      },
    ],
    [
      'virtualhost',
      (statement, url) => {
        const host = virtualHostOf(statement, context);
        Object.assign(url, host === undefined ? {} : { virtualHost: host });
      },
    ],
    [
      'status_code',
      (statement, url) => {
        readStatus(statement, url, context);
      },
    ],
    [
      'regex',
      (statement, url) => {
        url.regex = statement;
      },
    ],
    [
      'regex_no_match',
      (statement, url) => {
        url.negated = true;
        report.tell(
          'dropped',
          statement,
          'regex_no_match: there is no check that a body lacks something; exec can make one',
        );
      },
    ],
    [
      'regex_options',
      (statement, url) => {
        readOptions(statement, url, context);
      },
    ],
  ];
}

function readStatus(statement: Statement, url: Url, { report }: Context): void {
  for (const word of statement.words.slice(1)) {
    const [low, high = low] = word.split('-');
    const [first, last] = [numberOf(low, 100, 599), numberOf(high, 100, 599)];
    if (first === undefined || last === undefined || first > last) {
      report.tell('dropped', statement, `status_code: "${shown(word)}" is no status, and no range of them`);
    } else {
      url.status.push({ first, last });
    }
  }
  report.tell('translated', statement, `status_code: status`);
}

/** Options of PCRE2 that RE2 has, or that mean nothing to it. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['caseless', 'i'],
  ['multiline', 'm'],
  ['dotall', 's'],
  ['ungreedy', 'U'],
  ...['utf', 'ucp', 'never_backslash_c', 'no_auto_possess', 'no_start_optimize', 'no_dotstar_anchor'].map(
    (name): [string, string] => [name, ''],
  ),
]);

function readOptions(statement: Statement, url: Url, { report }: Context): void {
  for (const word of statement.words.slice(1)) {
    const flag = FLAGS.get(word);
    if (flag === undefined) {
      report.tell('dropped', statement, `regex_options: RE2 has no "${shown(word)}"`);
    } else {
      url.flags.push(flag);
    }
  }
  report.tell('translated', statement, 'regex_options: flags at the begin of the expression');
}

/** HTTP_DEFAULT_STATUS_CODE_MIN and …_MAX in check_http.c; Beeline's are 200 to 399. */
const DEFAULT_STATUS: StatusRange = { first: 200, last: 299 };
const MOST_STATUSES = 16;

function requestOf(url: Url, context: Context): HttpRequest {
  const status = merged(url.status.length === 0 ? [DEFAULT_STATUS] : url.status);
  const body = url.negated === true || url.regex === undefined ? undefined : bodyOf(url.regex, url.flags, context);
  if (url.negated === true && url.regex !== undefined) {
    context.report.tell('dropped', url.regex, 'regex: left out, since a match would have to fail');
  }
  if (status.length > MOST_STATUSES) {
    context.report.tell('dropped', url.statement, `status_code: only the first ${MOST_STATUSES} ranges of statuses`);
  }
  return { path: url.path!, status: status.slice(0, MOST_STATUSES), ...(body !== undefined && { body }) };
}

function bodyOf(statement: Statement, flags: readonly string[], { report }: Context): string | undefined {
  const words = splitQuoted(statement.text, true);
  const [, pattern] = words ?? [];
  if (pattern === undefined || words!.length !== 2) {
    report.tell('dropped', statement, 'regex: it must be one word, or in quotes');
    return undefined;
  }
  const set = [...new Set(flags.join(''))].join('');
  const body = set === '' ? pattern : `(?${set})${pattern}`;
  const problem = body.length > 1000 ? 'it is too long' : re2Problem(body);
  if (problem !== undefined) {
    report.tell('dropped', statement, `regex: RE2 does not take it (${problem}); the status is checked`);
    return undefined;
  }
  report.tell('translated', statement, 'regex: body, of RE2, which reads 64 KiB');
  return body;
}

/** Returns ranges in order, those that touch each other as one. */
function merged(ranges: readonly StatusRange[]): StatusRange[] {
  const all: StatusRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const last = all.at(-1);
    if (last !== undefined && range.first <= last.last + 1) {
      all[all.length - 1] = { first: last.first, last: Math.max(last.last, range.last) };
    } else {
      all.push(range);
    }
  }
  return all;
}
