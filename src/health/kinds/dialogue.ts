/** Dialogues: something is awaited, something is said, and so on, over TCP. */

import { RE2JS } from 're2js';

import type { DialogueCheck, DialogueStep } from '../../model/index.js';
import { type Ending, failed, incomplete, type Judgement, passed, quoted, type Talk, type Turn } from './kind.js';

/** Ready-made dialogues, by the name of the protocol. Each ends politely where the protocol has a word for that. */
export const DIALOGUES: Readonly<Record<string, readonly DialogueStep[]>> = {
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
  // The first packet of the server: a length of three bytes, number 0, version 10 of the protocol.
  mysql: [{ expect: '(?s)^...\\x00\\x0a' }],
};

interface Step {
  readonly pattern: RE2JS | undefined;
  readonly send: Buffer;
}

export function dialogueTalk({ steps }: DialogueCheck): () => Talk {
  const compiled = steps.map(({ expect, send = '' }): Step => ({
    pattern: expect === undefined ? undefined : RE2JS.compile(expect),
    send: Buffer.from(send, 'latin1'),
  }));
  return () => new Dialogue(compiled);
}

class Dialogue implements Talk {
  readonly transport = 'tcp';
  readonly first: Turn;
  readonly #steps: readonly Step[];
  /** The step whose answer is awaited; the number of steps: none. */
  #at = 0;
  /** A step's answer may come in pieces. */
  #heard = '';

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.first = this.#speak([]);
  }

  next(received: Uint8Array, ending: Ending): Turn | Judgement {
    const step = this.#steps[this.#at];
    if (step?.pattern === undefined) {
      return ending === 'complete'
        ? passed(this.#steps.some(({ pattern }) => pattern !== undefined) ? 'L7' : 'L4')
        : failed('L4', 'timeout');
    }
    this.#heard += Buffer.from(received).toString('latin1');
    if (!step.pattern.matcher(this.#heard).find()) {
      return ending === 'complete' ? { until: { what: 'data' } } : unlike(ending, this.#heard);
    }
    this.#at += 1;
    this.#heard = '';
    return this.#at === this.#steps.length && step.send.length === 0 ? passed('L7') : this.#speak([step.send]);
  }

  /** Says what is to be said until something is awaited again. */
  #speak(said: readonly Buffer[]): Turn {
    const all = [...said];
    while (this.#at < this.#steps.length && this.#steps[this.#at]!.pattern === undefined) {
      all.push(this.#steps[this.#at]!.send);
      this.#at += 1;
    }
    const what = this.#at < this.#steps.length ? 'data' : 'connected';
    return { send: Buffer.concat(all), until: { what } };
  }
}

/** What was heard instead tells more than that time was up. */
function unlike(ending: Exclude<Ending, 'complete'>, heard: string): Judgement {
  return heard === '' ? incomplete(ending, new Uint8Array()) : failed('L7', `answered ${quoted(heard)}`);
}
