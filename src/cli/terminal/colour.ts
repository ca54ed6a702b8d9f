/** Decides whether output is coloured, and which colour each style has. */

import { styleText } from 'node:util';

/** The meaning of a piece of text. Only this file gives it a colour. */
export type Style = 'good' | 'warning' | 'bad' | 'name' | 'faint';

/** Gives a piece of text its style. */
export type Paint = (style: Style | undefined, text: string) => string;

const FORMATS = { good: 'green', warning: 'yellow', bad: 'red', name: 'bold', faint: 'dim' } as const;

/** Returns text unchanged. */
export const plain: Paint = (_style, text) => text;

export const coloured: Paint = (style, text) =>
  // wantsColours() has checked the stream. Node 20 would check standard output, whichever stream is meant.
  style === undefined ? text : styleText(FORMATS[style], text, { validateStream: false });

/** The values of FORCE_COLOR that mean yes to Node.js. */
const FORCED = ['', '1', 'true', '2', '3'];

/**
 * Returns whether a stream gets colours: a terminal does, unless the environment says no.
 *
 * @param environment NO_COLOR (https://no-color.org) says no and outranks the others; FORCE_COLOR says yes or no as to
 *   Node.js; TERM=dumb says no
 */
export function wantsColours(
  { isTTY }: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const { NO_COLOR: no = '', FORCE_COLOR: force, TERM: terminal } = environment;
  if (no !== '') {
    return false;
  }
  return force === undefined ? isTTY === true && terminal !== 'dumb' : FORCED.includes(force);
}
