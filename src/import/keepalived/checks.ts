/** Checkers of a real server, but those of HTTP. */

import { DNS_RECORDS, type DnsRecord, type UdpCheck } from '../../model/index.js';
import { fates, type Fates, type Handler, shown } from './block.js';
import { newCheck, readChecker } from './checker.js';
import type { Context } from './context.js';
import { readHttp } from './http.js';
import type { CheckSpec, ServerSpec } from './spec.js';
import type { Statement } from './text/tree.js';
import { secondsOf } from './values.js';
import { splitQuoted } from './text/words.js';

type Reader = (statement: Statement, context: Context) => readonly CheckSpec[];

const READERS: ReadonlyMap<string, Reader> = new Map([
  ['TCP_CHECK', (statement, context) => [plain(statement, context, { type: 'tcp' })]],
  ['PING_CHECK', (statement, context) => [plain(statement, context, { type: 'ping' })]],
  ['HTTP_GET', readHttp],
  ['SSL_GET', readHttp],
  ['SMTP_CHECK', readSmtp],
  ['DNS_CHECK', readDns],
  ['UDP_CHECK', readUdp],
  ['MISC_CHECK', readMisc],
] satisfies [string, Reader][]);

export const OTHER_CHECKS: Fates = new Map(
  fates(
    'dropped',
    ['BFD_CHECK', 'there is no BFD: a tcp or ping check with a short interval finds a dead real server in seconds'],
    ['FILE_CHECK', 'its number is added to the weight; a check { type: file, path: … } reads the weight itself'],
  ),
);

/** Handlers of the checkers in a real server's block. */
export function checkHandlers(context: Context): [string, Handler<ServerSpec>][] {
  return [...READERS].map(([keyword, read]) => [
    keyword,
    (statement, server) => {
      server.checks.push(...read(statement, context));
    },
  ]);
}

function plain(statement: Statement, context: Context, made: { readonly type: 'tcp' | 'ping' }): CheckSpec {
  const check = newCheck(statement);
  readChecker(check, context);
  check.build = () => made;
  check.text = made.type;
  return check;
}

/** In keepalived each "host" of a SMTP_CHECK is one check more; without options beside them they replace it. */
function readSmtp(statement: Statement, context: Context): CheckSpec[] {
  const { report } = context;
  const hosts: CheckSpec[] = [];
  let helo: string | undefined;
  const check = newCheck(statement);
  readChecker(check, context, [
    [
      'helo_name',
      (each) => {
        const [, name = ''] = each.words;
        if (/^[!-~]{1,255}$/.test(name)) {
          helo = name;
          report.tell('translated', each, 'helo_name: a send-expect check that says HELO');
        } else {
          report.tell('dropped', each, `helo_name: "${shown(name)}" is no name`);
        }
      },
    ],
    [
      'host',
      (each) => {
        const host = newCheck(each);
        readChecker(host, context);
        hosts.push(host);
      },
    ],
  ]);
  if (hosts.length > 0) {
    report.tell('translated', statement, 'SMTP_CHECK: a check for each host');
  }
  const all = hosts.length > 0 && check.address === undefined && check.port === undefined ? hosts : [check, ...hosts];
  return all.map((each) => ({
    ...each,
    text: helo === undefined ? 'smtp' : 'send-expect',
    times: { ...check.times, ...each.times },
    build: () => (helo === undefined ? { type: 'smtp' } : smtpDialogue(helo)),
  }));
}

/** smtp_… in check_smtp.c. */
function smtpDialogue(helo: string) {
  return {
    type: 'send-expect' as const,
    steps: [
      { expect: '^220', send: `HELO ${helo}\r\n` },
      { expect: '^250', send: 'QUIT\r\n' },
    ],
  };
}

const LABEL = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
const DNS_NAME = new RegExp(`^(?:\\.|${LABEL}(?:\\.${LABEL})*\\.?)$`);

function readDns(statement: Statement, context: Context): CheckSpec[] {
  const { report } = context;
  let record: DnsRecord = 'SOA';
  let name = '.';
  const check = newCheck(statement, { retry: 3 });
  readChecker(check, context, [
    [
      'type',
      (each) => {
        const found = DNS_RECORDS.find((known) => known === each.words[1]?.toUpperCase());
        if (found === undefined) {
          report.tell('dropped', each, `type: "${shown(each.words[1] ?? '')}" is no type of records; SOA is asked for`);
        } else {
          record = found;
          report.tell('translated', each, `type: record: ${found}`);
        }
      },
    ],
    [
      'name',
      (each) => {
        name = each.words[1] ?? '.';
        report.keep(each);
      },
    ],
  ]);
  if (!DNS_NAME.test(name) || name.length > 254) {
    report.tell('dropped', statement, `DNS_CHECK: "${shown(name)}" is no name that can be asked for`);
    return [];
  }
  check.build = () => ({ type: 'dns', name, record });
  check.text = 'dns, which needs a record in the answer, and goes by TCP if the service is TCP (keepalived: by UDP)';
  return [check];
}

function readUdp(statement: Statement, context: Context): CheckSpec[] {
  const { report } = context;
  let made: UdpCheck = { type: 'udp' };
  const check = newCheck(statement);
  const reply: Handler<CheckSpec> = (each) => {
    const bytes = each.words.length < 2 ? { text: '\0', mask: '\0' } : hexOf(each.words.slice(1), true);
    if (bytes === undefined || bytes.text === '') {
      report.tell('dropped', each, 'require_reply: these are no bytes in hexadecimal digits');
    } else {
      made = { ...made, reply: bytes.text, ...(/[^\u00ff]/.test(bytes.mask) && { mask: bytes.mask }) };
      report.tell('translated', each, `require_reply: reply${made.mask === undefined ? '' : ' and mask'}`);
    }
  };
  const own: [string, Handler<CheckSpec>][] = [
    [
      'payload',
      (each) => {
        const bytes = hexOf(each.words.slice(1), false);
        if (bytes === undefined) {
          report.tell('dropped', each, 'payload: these are no bytes in hexadecimal digits');
        } else {
          made = { ...made, send: bytes.text };
          report.tell('translated', each, 'payload: send');
        }
      },
    ],
    ['require_reply', reply],
  ];
  const lengths = fates('dropped', ['min_reply_length max_reply_length', 'the length of a reply is not looked at']);
  readChecker(check, context, own, new Map(lengths));
  check.build = () => made;
  check.text = made.send === undefined ? 'udp with an empty datagram (keepalived: random bytes)' : 'udp';
  return [check];
}

/** "Ab12f 3" is the bytes AB 12 0F 03; with `wild`, x is a digit that does not count (read_hex_str in lib/parser.c). */
function hexOf(words: readonly string[], wild: boolean): { text: string; mask: string } | undefined {
  const joined = words.join(' ');
  if (!(wild ? /^[0-9A-Fa-fXx ]+$/ : /^[0-9A-Fa-f ]+$/).test(joined) || joined.length > 4096) {
    return undefined;
  }
  const bytes = joined
    .split(' ')
    .flatMap((word) => word.match(/.{1,2}/g) ?? [])
    .map((each) => each.padStart(2, '0'));
  const text = (digits: readonly string[]): string =>
    digits.map((each) => String.fromCharCode(parseInt(each, 16))).join('');
  return {
    text: text(bytes.map((each) => each.replaceAll(/x/gi, '0'))),
    mask: text(bytes.map((each) => each.replaceAll(/[^x]/gi, 'f').replaceAll(/x/gi, '0'))),
  };
}

const MOST_ARGUMENTS = 64;

function readMisc(statement: Statement, context: Context): CheckSpec[] {
  const { report } = context;
  const found: { command?: readonly string[]; isAgent: boolean } = { isAgent: false };
  const check: CheckSpec = { ...newCheck(statement, { retry: 0, retryDelay: 1 }), ownTimeout: true };
  const path: Handler<CheckSpec> = (each) => {
    const command = commandOf(each);
    if (command === undefined) {
      report.tell(
        'dropped',
        each,
        `misc_path: needs the absolute path of a program, and at most ${MOST_ARGUMENTS - 1} arguments`,
      );
    } else {
      found.command = command;
      report.tell('translated', each, 'misc_path: command, whose environment says what is checked (docs/health.md)');
      const behind = splitQuoted(each.text, false)!.slice(2).join(' ');
      if (behind !== '') {
        // set_script_uid_gid() in lib/notify.c.
        const text =
          'is user and group in keepalived, and the program runs as the user of Beeline; arguments belong into quotes';
        report.tell('dropped', each, `misc_path: "${shown(behind)}" behind the path ${text}`);
      }
    }
  };
  const own: [string, Handler<CheckSpec>][] = [
    ['misc_path', path],
    [
      'misc_timeout',
      (each, { times }) => {
        const value = secondsOf(each.words[1]);
        if (value === undefined) {
          report.tell('dropped', each, `misc_timeout: "${shown(each.words[1] ?? '')}" is no number of seconds`);
        } else {
          times.timeout = value;
          report.tell('translated', each, `misc_timeout: timeout: ${value}`);
        }
      },
    ],
    [
      'misc_dynamic',
      (each) => {
        found.isAgent = true;
        report.tell('translated', each, 'misc_dynamic: an agent check by exec, whose status is the weight less 2');
      },
    ],
  ];
  const user = fates('dropped', ['user', 'the program runs as the user of Beeline; let it call setpriv or sudo']);
  readChecker(check, context, own, new Map(user));
  const { command, isAgent } = found;
  if (command === undefined) {
    report.tell('dropped', statement, 'MISC_CHECK: without a program there is no check');
    return [];
  }
  check.build = () => (isAgent ? { type: 'agent', by: 'exec', command } : { type: 'exec', command });
  check.text = isAgent ? 'agent' : 'exec';
  return [check];
}

/** Returns program and arguments: the second word of the line, split once more (set_script_params_array in notify.c). */
export function commandOf({ text }: Statement): string[] | undefined {
  const [, script] = splitQuoted(text, false) ?? [];
  const command = script === undefined ? undefined : splitQuoted(script, true);
  const [program = ''] = command ?? [];
  const fits = program.startsWith('/') && program.length < 4096 && command!.length <= MOST_ARGUMENTS;
  return fits && command!.every((word) => !word.includes('\0') && word.length <= 4096) ? command : undefined;
}
