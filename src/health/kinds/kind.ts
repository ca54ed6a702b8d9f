/** What each kind of check is: a talk with a real server. A talk says what to send and judges what came. Pure. */

import type { Family, IpAddress, Protocol } from '../../model/index.js';
import type { Outcome } from '../outcome.js';
import type { Until } from '../wire/job.js';

export type { Until };

/** Whom a check talks to, as the real server sees it. */
export interface Target {
  /** The address that the packets have: the VIP, or another that the check goes to. */
  readonly address: IpAddress;
  readonly family: Family;
  readonly port: number;
  /** The protocol of the service. */
  readonly protocol: Protocol;
}

/** One turn: something is said, and an answer awaited. */
export interface Turn {
  readonly send?: Uint8Array | undefined;
  readonly until: Until;
}

/** How a turn ended. */
export type Ending =
  /** As `until` says. */
  | 'complete'
  /** By the other side; what came before is there. */
  | 'closed'
  /** By the timeout. */
  | 'timeout'
  /** There was more than a check reads. */
  | 'too-long'
  /** What came is not HTTP, which `until` asks for. */
  | 'malformed';

/** What the wire read of an HTTP response, once its status line was there. */
export interface HttpHead {
  readonly status: number;
  /** Where the body begins in what was received; 0: the headers have no end yet. */
  readonly bodyOffset: number;
}

export type Judgement = Pick<Outcome, 'passed' | 'layer' | 'words'>;

/** One run of a check, from the first turn to the judgement. Failures of the network below are judged elsewhere. */
export interface Talk {
  readonly transport: 'tcp' | 'udp' | 'icmp';
  /** The same object in each talk of a check, unless each says something else. */
  readonly first: Turn;
  /** There may be more turns than the first: the connection is held. Default: false. */
  readonly holds?: boolean;
  /** Returns the next turn, or the judgement. @param received what came since the turn began */
  next(received: Uint8Array, ending: Ending, http?: HttpHead): Turn | Judgement;
}

export function passed(layer: Outcome['layer'], words = 'ok'): Judgement {
  return { passed: true, layer, words };
}

export function failed(layer: Outcome['layer'], words: string): Judgement {
  return { passed: false, layer, words };
}

/** Judges an answer that did not become complete. */
export function incomplete(ending: Exclude<Ending, 'complete'>, received: Uint8Array): Judgement {
  const words = { closed: 'closed early', timeout: 'timeout', 'too-long': 'answer too long', malformed: 'malformed' }[
    ending
  ];
  return failed('L7', received.length === 0 && ending !== 'too-long' ? `${words}, no answer` : words);
}

/** What remote programs say is not trusted: one line of printable characters, and not much of it. */
export function quoted(text: string): string {
  const line = /^[\x20-\x7e]{0,60}/.exec(text.trimStart())![0];
  return `"${line}${line.length < text.trim().length ? '…' : ''}"`;
}
