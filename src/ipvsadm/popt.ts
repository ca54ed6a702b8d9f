/** Splits command lines as popt does, ipvsadm's library: joined short options, exact long options. Pure. */

/** An option that a command line may have. */
export interface Option<Name extends string> {
  readonly name: Name;
  /** The name after two dashes. Abbreviations are not allowed. */
  readonly long: string;
  /** The letter after one dash. */
  readonly short?: string;
  /** Default: no argument. `optional`: the next word, unless it begins with a dash. */
  readonly argument?: 'required' | 'optional';
}

export type PoptError = 'unknown option' | 'missing argument' | 'option does not take an argument';

/** The next part of a command line. */
export type Read<Name extends string> =
  | { readonly kind: 'option'; readonly name: Name; readonly argument: string | undefined }
  | { readonly kind: 'error'; readonly error: PoptError }
  | { readonly kind: 'end' };

export class OptionReader<Name extends string> {
  readonly #options: readonly Option<Name>[];
  readonly #words: readonly string[];
  #next = 0;
  /** The rest of a word of joined short options. */
  #joined = '';
  #onlyRest = false;
  /** The words that are not options, in their order. */
  readonly rest: string[] = [];

  /** @param words without the program's name */
  constructor(options: readonly Option<Name>[], words: readonly string[]) {
    this.#options = options;
    this.#words = words;
  }

  /** The last word that was read, for messages. */
  get lastWord(): string {
    return this.#words[this.#next - 1] ?? '';
  }

  next(): Read<Name> {
    if (this.#joined !== '') {
      return this.#short();
    }
    for (;;) {
      const word = this.#words[this.#next];
      if (word === undefined) {
        return { kind: 'end' };
      }
      this.#next += 1;
      if (this.#onlyRest || !word.startsWith('-') || word === '-') {
        this.rest.push(word);
      } else if (word === '--') {
        this.#onlyRest = true;
      } else if (word.startsWith('--')) {
        return this.#long(word.slice(2));
      } else {
        this.#joined = word.slice(1);
        return this.#short();
      }
    }
  }

  #long(word: string): Read<Name> {
    const [, name = '', argument] = /^([^=]*)(?:=([^]*))?$/.exec(word) ?? [];
    const option = this.#options.find(({ long }) => long === name);
    return option === undefined ? { kind: 'error', error: 'unknown option' } : this.#take(option, argument);
  }

  #short(): Read<Name> {
    const letter = this.#joined[0];
    const after = this.#joined.slice(1);
    this.#joined = '';
    const option = this.#options.find(({ short }) => short === letter);
    if (option === undefined) {
      return { kind: 'error', error: 'unknown option' };
    }
    if (after.startsWith('=')) {
      return this.#take(option, after.slice(1));
    }
    if (option.argument !== undefined && after !== '') {
      return this.#take(option, after);
    }
    this.#joined = after;
    return this.#take(option, undefined);
  }

  #take({ name, argument }: Option<Name>, attached: string | undefined): Read<Name> {
    if (argument === undefined) {
      return attached === undefined
        ? { kind: 'option', name, argument: undefined }
        : { kind: 'error', error: 'option does not take an argument' };
    }
    if (attached !== undefined) {
      return { kind: 'option', name, argument: attached };
    }
    const word = this.#words[this.#next];
    if (argument === 'optional' && (word === undefined || word.startsWith('-'))) {
      return { kind: 'option', name, argument: undefined };
    }
    if (word === undefined) {
      return { kind: 'error', error: 'missing argument' };
    }
    this.#next += 1;
    return { kind: 'option', name, argument: word };
  }
}
