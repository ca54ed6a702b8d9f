/** Splits a line of keepalived into words, in its three ways (alloc_strvec… in lib/parser.c). Pure. */

export interface Words {
  readonly words: readonly string[];
  /** A quote is not closed: what follows it is no word. */
  readonly unclosed: boolean;
}

/** The way of most keywords: blanks separate words, and "…" is one. */
export function splitWords(text: string): Words {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    at = skipBlanks(text, at);
    if (at >= text.length) {
      return { words, unclosed: false };
    }
    if (text[at] === '"') {
      const end = text.indexOf('"', at + 1);
      if (end < 0) {
        return { words, unclosed: true };
      }
      words.push(text.slice(at + 1, end));
      at = end + 1;
      continue;
    }
    let end = at;
    while (end < text.length && !isBlank(text[end]!) && text[end] !== '"') {
      end += 1;
    }
    words.push(text.slice(at, end));
    at = end;
  }
}

/**
 * The way of scripts and regular expressions: "…" and '…' may begin and end within a word.
 *
 * @param escapes whether "\n", "\x20", "\040" and "\cM" become the characters that they mean; if not, a backslash stays, and
 *   protects the next character alone
 * @returns undefined if a quote is not closed, or nothing follows a backslash
 */
export function splitQuoted(text: string, escapes: boolean): string[] | undefined {
  const words: string[] = [];
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    const parts: string[] = [];
    let quote = '';
    for (; at < text.length;) {
      const character = text[at]!;
      if (character === '\\') {
        const found = escapes ? escapeAt(text, at + 1) : plainEscapeAt(text, at + 1);
        if (found === undefined) {
          return undefined;
        }
        parts.push(found.text);
        at = found.end;
      } else if (quote === '' && isBlank(character)) {
        break;
      } else if (character === quote) {
        quote = '';
        at += 1;
      } else if (quote === '' && (character === '"' || character === "'")) {
        quote = character;
        at += 1;
      } else {
        parts.push(character);
        at += 1;
      }
    }
    if (quote !== '') {
      return undefined;
    }
    words.push(parts.join(''));
    at = skipBlanks(text, at);
  }
  return words;
}

interface Escape {
  readonly text: string;
  readonly end: number;
}

function plainEscapeAt(text: string, at: number): Escape | undefined {
  return at < text.length ? { text: text.slice(at - 1, at + 1), end: at + 1 } : undefined;
}

const CONTROLS: ReadonlyMap<string, string> = new Map([
  ['a', '\u0007'],
  ['b', '\b'],
  ['E', '\u001b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/** @param at the place after the backslash */
function escapeAt(text: string, at: number): Escape | undefined {
  const character = text[at];
  if (character === undefined) {
    return undefined;
  }
  const [, hex] = /^x([0-9A-Fa-f]{1,2})/.exec(text.slice(at, at + 3)) ?? [];
  if (hex !== undefined) {
    return { text: String.fromCharCode(parseInt(hex, 16)), end: at + 1 + hex.length };
  }
  const [octal] = /^[0-7]{1,3}/.exec(text.slice(at, at + 3)) ?? [];
  if (octal !== undefined) {
    return { text: String.fromCharCode(parseInt(octal, 8) & 0xff), end: at + octal.length };
  }
  const next = text[at + 1];
  if (character === 'c' && next !== undefined) {
    return { text: String.fromCharCode(next.charCodeAt(0) & 0x1f), end: at + 2 };
  }
  return { text: CONTROLS.get(character) ?? character, end: at + 1 };
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && isBlank(text[at]!)) {
    at += 1;
  }
  return at;
}

/** WHITE_SPACE of lib/parser.h. */
function isBlank(character: string): boolean {
  return (
    character === ' ' ||
    character === '\t' ||
    character === '\f' ||
    character === '\n' ||
    character === '\r' ||
    character === '\v'
  );
}
