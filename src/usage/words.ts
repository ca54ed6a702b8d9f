/** Splits command lines into words, and quotes words, as bash does. Pure. */

type Quote = '' | "'" | '"';

export interface Word {
  /** The word as typed. */
  readonly raw: string;
  /** The word without quotation marks and backslashes. */
  readonly value: string;
  /** The quotation mark that is still open at the end of the word. */
  readonly quote: Quote;
}

/** Splits a line that ends at the cursor. The last word is empty if it has not begun. */
export function splitWords(line: string): Word[] {
  const words: Word[] = [];
  let rest = line.trimStart();
  for (;;) {
    const word = firstWord(rest);
    words.push(word);
    const after = rest.slice(word.raw.length);
    rest = after.trimStart();
    if (rest === '') {
      return after === '' ? words : [...words, { raw: '', value: '', quote: '' }];
    }
  }
}

function firstWord(text: string): Word {
  let value = '';
  let quote: Quote = '';
  let at = 0;
  for (; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote === '' && /\s/.test(character)) {
      break;
    }
    if (character === quote) {
      quote = '';
    } else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
    } else if (character === '\\' && isEscape(quote, text[at + 1])) {
      at += 1;
      value += text[at] ?? '';
    } else {
      value += character;
    }
  }
  return { raw: text.slice(0, at), value, quote };
}

/** Returns whether a backslash escapes: within double quotes only before characters that are special there. */
function isEscape(quote: Quote, next: string | undefined): boolean {
  return quote === '' || (quote === '"' && next !== undefined && '"\\$`'.includes(next));
}

/** Quotes a value for a place where a quotation mark is open, or none. */
export function quoteWord(value: string, quote: Quote): string {
  switch (quote) {
    case '':
      return value.replace(/[^\w@%+=:,./-]/g, '\\$&');
    case '"':
      return value.replace(/["\\$`]/g, '\\$&');
    case "'":
      return value.replaceAll("'", `'\\''`);
  }
}
