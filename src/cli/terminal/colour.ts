/** Whether output is coloured, and what the colours mean. */

import { styleText } from 'node:util';

/** What a piece of text is; which colour that has is decided here alone. */
export type Style = 'good' | 'warning' | 'bad' | 'name' | 'faint';

/** Gives a piece of text its style. */
export type Paint = (style: Style | undefined, text: string) => string;

const FORMATS = { good: 'green', warning: 'yellow', bad: 'red', name: 'bold', faint: 'dim' } as const;

/** Leaves text as it is. */
export const plain: Paint = (_style, text) => text;

export const coloured: Paint = (style, text) =>
  // Whether the stream takes colours has been asked; what Node 20 asks by itself is always standard output.
  style === undefined ? text : styleText(FORMATS[style], text, { validateStream: false });

/** FORCE_COLOR's values that mean yes, as Node.js has them. */
const FORCED = ['', '1', 'true', '2', '3'];

/**
 * Whether a stream is written to in colour: a terminal is, unless the environment says no.
 *
 * @param environment NO_COLOR (https://no-color.org) says no whatever else is said, FORCE_COLOR yes or no as to Node.js,
 *   TERM=dumb no
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
