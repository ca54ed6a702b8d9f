/** Checks that talk the protocol of the service ("checktype = negotiate"). Pure. */

import type { Check, HttpRequest } from '../../model/index.js';
import type { RealServer } from './real-servers.js';
import { literalOf, re2Of, reverseName } from './receive.js';
import type { SectionKey } from './settings.js';
import type { Way, Wishes } from './wishes.js';

/** The check of wishes.service, which is not "none". */
export function negotiate(wishes: Wishes, real: RealServer, way: Way): Check[] {
  const { service } = wishes;
  switch (service) {
    case 'http':
      return [{ type: 'http', ...request(wishes, real, 'http'), ...way, ...otherWay(real, 'http') }];
    case 'https':
      return [{ type: 'https', ...request(wishes, real, 'https'), verify: false, ...way, ...otherWay(real, 'https') }];
    case 'dns':
      return dns(wishes, real, way);
    case 'nntp':
      return [{ type: 'send-expect', steps: [{ expect: '^2' }], ...way }];
    case 'simpletcp':
      return [simple(wishes, real, way)];
    case 'sip':
      return [sip(wishes, way)];
    case 'none':
      return [];
    default:
      return [dialogue(wishes, service, real, way)];
  }
}

/** What a check asks for and awaits: the real server's own pair of texts, or the section's. */
function asked({ own }: Wishes, real: RealServer): { request: string; receive: string; line: number } {
  if (real.request !== undefined) {
    return { request: real.request, receive: real.receive ?? '', line: real.line };
  }
  const receive = own.get('receive');
  return { request: own.text('request') ?? '', receive: receive?.text ?? '', line: receive?.line ?? real.line };
}

function request(wishes: Wishes, real: RealServer, scheme: 'http' | 'https'): HttpRequest {
  const { own, report } = wishes;
  const { request: wanted, receive, line } = asked(wishes, real);
  const path = otherWay(real, scheme) === undefined ? `/${wanted.replace(/^\//, '')}` : real.other!.path;
  const body = bodyOf(wishes, receive, line);
  const virtualHost = own.get('virtualhost');
  const isHost = /^(?:[A-Za-z0-9_.-]{1,200}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(virtualHost?.text ?? 'x');
  if (virtualHost !== undefined && !isHost) {
    report.dropped(virtualHost.line, 'is no name of a host: the check asks for the VIP');
  }
  if (receive === '') {
    report.noteOnce(
      wishes.line,
      'ldirectord follows redirects and Beeline does not: a status from 300 to 399 passes as one from 200 to 299 does, where ' +
        'nothing is awaited by "receive"',
    );
  }
  return {
    method: own.text('httpmethod')?.toUpperCase() === 'HEAD' ? 'HEAD' : undefined,
    path: path === '/' ? undefined : encoded(path),
    host: isHost ? virtualHost?.text : undefined,
    status: receive === '' ? undefined : [{ first: 200, last: 299 }],
    body,
  };
}

function bodyOf(
  { report }: Wishes,
  receive: string,
  line: number,
  of: 'whole' | 'lines' = 'whole',
): string | undefined {
  if (receive === '') {
    return undefined;
  }
  const result = re2Of(receive, of);
  if ('problem' in result) {
    report.dropped(
      line,
      `RE2, the language of checks, does not have this expression (${result.problem}): any body passes`,
    );
    return undefined;
  }
  return result.re2;
}

/** Spaces and letters beyond ASCII are percent-encoded on their way. */
function encoded(path: string): string {
  return path.replace(/[^\u0021-\u007e]+/gu, (found) =>
    Array.from(Buffer.from(found), (byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  );
}

/** A request of the form "http://HOST:PORT/PATH" goes there, and not to the real server. */
function otherWay(real: RealServer, scheme: string): Pick<Check, 'via' | 'address' | 'port'> | undefined {
  const { other, request: wanted } = real;
  if (other === undefined || wanted?.replace(/^\//, '').startsWith(`${scheme}://`) !== true) {
    return undefined;
  }
  const { address, port } = other;
  return address === real.address ? { via: 'rip', port } : { via: 'rip', address, port };
}

/** ldirectord asks for an A record, or the PTR record of an address, and compares each answer with "receive". */
function dns(wishes: Wishes, real: RealServer, way: Way): Check[] {
  const { report, family } = wishes;
  const { request: wanted, receive, line } = asked(wishes, real);
  const name = wanted.replace(/^\//, '');
  const reverse = reverseName(name);
  if (reverse === undefined && !/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?\.?$/.test(name)) {
    const why = name === '' ? 'there is no "request", and so no name to ask for' : `"${name}" is no name to ask for`;
    report.dropped(line, `${why}: the real server is not checked; give it a check of type dns`);
    return [];
  }
  const answer = literalOf(receive);
  if (receive === '') {
    report.note(real.line, 'without "receive" this check never passes in ldirectord; here any answer passes');
  } else if (answer === undefined) {
    report.dropped(
      line,
      'a check of type dns compares with one address or name, not with an expression: any answer passes',
    );
  }
  const record = reverse === undefined ? (family === 6 ? 'A' : undefined) : 'PTR';
  return [{ type: 'dns', name: reverse ?? name, record, answer, ...way }];
}

/** ldirectord sends "request", ends its side, and looks for "receive" in each line. */
function simple(wishes: Wishes, real: RealServer, way: Way): Check {
  const { report, protocol, mark } = wishes;
  const { request: wanted, receive, line } = asked(wishes, real);
  const send = bytesOf(wanted.replace(/^\//, '').replaceAll('\\n', '\n')) || undefined;
  if (mark === undefined && protocol === 'udp') {
    const reply = /^\^[\w .-]+$/.test(receive) ? receive.slice(1) : undefined;
    if (reply === undefined) {
      report.dropped(
        line,
        'over UDP a check compares with the begin of the answer alone: no answer is needed; name it by "reply"',
      );
    }
    return { type: 'udp', send, reply, ...way };
  }
  const expect = bodyOf(wishes, receive, line, 'lines') ?? '(?s).';
  return { type: 'send-expect', steps: [...(send === undefined ? [] : [{ send }]), { expect }], ...way };
}

/** In texts for the wire a character is a byte. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** ldirectord's own request, but that the answer comes to where the request came from (rport, RFC 3581). */
function sip({ own, protocol, mark }: Wishes, way: Way): Check {
  const user = own.text('login') ?? 'ldirectord@localhost';
  const isUdp = mark === undefined && protocol === 'udp';
  const send = bytesOf(
    [
      `OPTIONS sip:${user} SIP/2.0`,
      `Via: SIP/2.0/${isUdp ? 'UDP' : 'TCP'} localhost;branch=z9hG4bKhjhs8ass877;rport`,
      'Max-Forwards: 70',
      `To: <sip:${user}>`,
      `From: <sip:${user}>;tag=1928301774`,
      'Call-ID: beeline-check',
      'CSeq: 63104 OPTIONS',
      `Contact: <sip:${user}>`,
      'Accept: application/sdp',
      'Content-Length: 0',
      '\r\n',
    ].join('\r\n'),
  );
  return isUdp
    ? { type: 'udp', send, reply: 'SIP/2.0 200 OK', ...way }
    : { type: 'send-expect', steps: [{ send }, { expect: '^SIP/2\\.0 200 OK' }], ...way };
}

type Talking = Exclude<Wishes['service'], 'http' | 'https' | 'dns' | 'nntp' | 'simpletcp' | 'sip' | 'none'>;

/** What is checked of a service whose check in ldirectord logs in, or speaks what Beeline does not. */
function dialogue(wishes: Wishes, service: Talking, real: RealServer, way: Way): Check {
  const tls = { tls: true, verify: false } as const;
  const lose = (what: string, ...keys: SectionKey[]): void => {
    const { own, report, line } = wishes;
    const given = keys.map((key) => own.get(key)?.line).filter((each) => each !== undefined);
    (given.length === 0 ? [own.get('service')?.line ?? line] : given).forEach((each) => {
      report.dropped(each, `${what}; a check of type exec can do more`);
    });
  };
  const loginIsLost = (): void => {
    if (wishes.own.get('login') !== undefined) {
      lose('the check reads the greeting, and does not log in', 'login', 'passwd');
    }
  };
  switch (service) {
    case 'smtp':
    case 'submission':
      return { type: 'smtp', ...way };
    case 'ftp':
      if (asked(wishes, real).receive !== '' || wishes.own.get('login') !== undefined) {
        lose('the check reads the greeting, and gets no file', 'request', 'receive', 'login', 'passwd');
      }
      return { type: 'ftp', ...way };
    case 'imap':
    case 'imaps':
      loginIsLost();
      return { type: 'imap', ...(service === 'imaps' && tls), ...way };
    case 'pop':
    case 'pops':
      loginIsLost();
      return { type: 'pop3', ...(service === 'pops' && tls), ...way };
    case 'mysql':
      lose(
        'the check logs in as "beeline" without a password, which may be refused, and sends no query',
        'login',
        'passwd',
        'database',
        'request',
      );
      return { type: 'mysql', ...way };
    case 'ldaps':
      lose('the check makes the handshake of TLS, and searches nothing', 'request', 'receive', 'login', 'passwd');
      return { type: 'tls', verify: false, ...way };
    case 'radius':
      lose('the check sends an empty datagram and takes silence for health', 'login', 'passwd', 'secret');
      return { type: 'udp', ...way };
    default:
      lose(`the check connects, and speaks no ${service}`, 'request', 'receive', 'login', 'passwd', 'database');
      return { type: 'tcp', ...way };
  }
}
