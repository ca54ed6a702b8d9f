/** From bytes to text, and from a line to those that its braces make of it. Pure. */

import { BeelineError } from '../../../model/index.js';
import { decodeBytes } from '../../bytes.js';
import type { Line } from './line.js';

/** UTF-8, or Latin-1 as comments of old files have it. @throws BeelineError `CONFIG_INVALID` */
export function decode(bytes: Uint8Array, path: string): string {
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    const line = Buffer.from(bytes.subarray(0, zero)).toString('latin1').split('\n').length;
    throw new BeelineError('CONFIG_INVALID', `${path}:${line}: is no text: it has a zero byte`, {
      hint: "Name keepalived's configuration, usually /etc/keepalived/keepalived.conf.",
    });
  }
  return decodeBytes(bytes);
}

/** "{" and "}" outside of quotes end a line, and are one each. A quote that is not closed reaches to the end. */
export function* splitBraces(line: Line): Generator<Line> {
  const { text } = line;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (character === '"') {
      at = text.indexOf('"', at + 1);
      if (at < 0) {
        break;
      }
    } else if (character === '{' || character === '}') {
      yield* nonEmpty({ ...line, text: text.slice(from, at) });
      yield { ...line, text: character };
      from = at + 1;
    }
  }
  yield* nonEmpty({ ...line, text: text.slice(from) });
}

function* nonEmpty(line: Line): Generator<Line> {
  const text = line.text.trim();
  if (text !== '') {
    yield { ...line, text };
  }
}
