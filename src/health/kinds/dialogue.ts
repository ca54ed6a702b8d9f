/** Dialogues: something is awaited, something is said, and so on, over TCP. */

import { RE2JS } from 're2js';

import type { DialogueStep, ReadyDialogue } from '../../model/index.js';
import { type Ending, failed, incomplete, type Judgement, passed, quoted, type Talk, type Turn } from './kind.js';

/** Ready-made dialogues, by the name of the protocol. Each ends politely where the protocol has a word for that. */
export const DIALOGUES: Readonly<Record<ReadyDialogue, readonly DialogueStep[]>> = {
  // RFC 5321
  smtp: [{ expect: '^220[ -]', send: 'QUIT\r\n' }, { expect: '(?m)^221[ -]' }],
  // RFC 9051
  imap: [{ expect: '^\\* (OK|PREAUTH)', send: 'a LOGOUT\r\n' }, { expect: '(?m)^a OK' }],
  // RFC 1939
  pop3: [{ expect: '^\\+OK', send: 'QUIT\r\n' }, { expect: '(?m)^\\+OK' }],
  // RFC 959
  ftp: [{ expect: '^220[ -]', send: 'QUIT\r\n' }, { expect: '(?m)^221[ -]' }],
  // RFC 4253, section 4.2
  ssh: [{ expect: '(?m)^SSH-2\\.0-' }],
  redis: [{ send: 'PING\r\n' }, { expect: '^\\+PONG' }],
  memcached: [{ send: 'version\r\n' }, { expect: '^VERSION ' }],
  mysql: [
    // The first packet of the server: a length of three bytes, number 0, version 10 of the protocol.
    { expect: '(?s)^...\\x00\\x0a', send: mysqlLogin('beeline') },
    // OK, or an error: nobody of that name. COM_QUIT.
    { expect: '(?s)^...\\x02[\\x00\\xff]', send: '\x01\0\0\0\x01' },
  ],
};

/**
 * Returns a login without a password: HandshakeResponse41 of MySQL's protocol. A server that hears none counts an error of
 * the host, and blocks the host after 100 of them (`max_connect_errors`). Without CLIENT_PLUGIN_AUTH it asks nothing back.
 */
function mysqlLogin(user: string): string {
  // CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION; packets of at most 16 MiB; utf8.
  const settings = '\x01\x82\0\0' + '\0\0\0\x01' + '\x21' + '\0'.repeat(23);
  const body = `${settings}${user}\0\0`;
  return `${String.fromCharCode(body.length)}\0\0\x01${body}`;
}

/** The bytes in which a step's answer must be found: each piece that comes is searched together with those before. */
const MOST_HEARD = 8192;
/** The pieces of all answers. */
const MOST_TURNS = 200;

interface Step {
  readonly pattern: RE2JS | undefined;
  readonly send: Buffer;
}

export function dialogueTalk(steps: readonly DialogueStep[]): () => Talk {
  const compiled = steps.map(({ expect, send = '' }): Step => ({
    pattern: expect === undefined ? undefined : RE2JS.compile(expect),
    send: Buffer.from(send, 'latin1'),
  }));
  return () => new Dialogue(compiled);
}

class Dialogue implements Talk {
  readonly transport = 'tcp';
  readonly holds = true;
  readonly first: Turn;
  readonly #steps: readonly Step[];
  /** The step whose answer is awaited; the number of steps: none. */
  #at = 0;
  /** A step's answer may come in pieces. */
  #heard = '';
  #turns = 0;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.first = this.#speak([]);
  }

  next(received: Uint8Array, ending: Ending): Turn | Judgement {
    if (this.#steps[this.#at]?.pattern === undefined) {
      return ending === 'complete'
        ? passed(this.#steps.some(({ pattern }) => pattern !== undefined) ? 'L7' : 'L4')
        : failed('L4', 'timeout');
    }
    this.#turns += 1;
    this.#heard += Buffer.from(received).toString('latin1');
    for (;;) {
      const step = this.#steps[this.#at]!;
      const matcher = step.pattern!.matcher(this.#heard);
      if (!matcher.find()) {
        return this.#wait(ending);
      }
      this.#at += 1;
      if (this.#at === this.#steps.length && step.send.length === 0) {
        return passed('L7');
      }
      const turn = this.#speak([step.send]);
      // What follows the match answers nothing that is said later. Without that it may be the next answer.
      this.#heard = turn.send.length === 0 ? this.#heard.slice(matcher.end()) : '';
      if (this.#heard === '' || turn.until.on === 'connected') {
        return turn;
      }
    }
  }

  #wait(ending: Ending): Turn | Judgement {
    if (ending !== 'complete') {
      return unlike(ending, this.#heard);
    }
    if (this.#heard.length > MOST_HEARD) {
      return incomplete('too-long', new Uint8Array());
    }
    return this.#turns < MOST_TURNS ? { until: { on: 'data' } } : failed('L7', 'answer in too many pieces');
  }

  /** Says what is to be said until something is awaited again. */
  #speak(said: readonly Buffer[]): Turn & { readonly send: Buffer } {
    const all = [...said];
    while (this.#at < this.#steps.length && this.#steps[this.#at]!.pattern === undefined) {
      all.push(this.#steps[this.#at]!.send);
      this.#at += 1;
    }
    const on = this.#at < this.#steps.length ? 'data' : 'connected';
    return { send: Buffer.concat(all), until: { on } };
  }
}

/** What was heard instead tells more than that time was up. */
function unlike(ending: Exclude<Ending, 'complete'>, heard: string): Judgement {
  return heard === '' ? incomplete(ending, new Uint8Array()) : failed('L7', `answered ${quoted(heard)}`);
}
