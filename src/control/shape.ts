/**
 * Looks at a request before it is unpacked: how many values it has, and how deep. A few megabytes of empty lists would
 * take seconds and hundreds of megabytes to unpack. Pure.
 */

import { BeelineError } from '../model/index.js';

/** The most values of a request, keys included. A request of the largest restore, 65,534 real servers, has a million. */
const MOST_VALUES: Readonly<Partial<Record<string, number>>> = { edits: 2_000_000 };
const MOST_VALUES_ELSE = 10_000;
/** Lists and mappings in each other. */
const MOST_DEPTH = 16;
/** The members of a request. */
const MOST_MEMBERS = 8;

/** The bytes of the values whose length is fixed, by their first byte, that byte included. */
const FIXED: Readonly<Partial<Record<number, number>>> = {
  0xc0: 1,
  0xc2: 1,
  0xc3: 1,
  0xca: 5,
  0xcb: 9,
  0xcc: 2,
  0xcd: 3,
  0xce: 5,
  0xcf: 9,
  0xd0: 2,
  0xd1: 3,
  0xd2: 5,
  0xd3: 9,
  // "undefined", as msgpackr writes it.
  0xd4: 3,
};
/** The bytes of the length of texts and bytes, by their first byte. */
const LENGTH_OF_TEXT: Readonly<Partial<Record<number, number>>> = {
  0xc4: 1,
  0xc5: 2,
  0xc6: 4,
  0xd9: 1,
  0xda: 2,
  0xdb: 4,
};
/** The bytes of the count of lists and mappings, and the values of each entry. */
const CONTAINERS: Readonly<Partial<Record<number, { readonly bytes: number; readonly values: 1 | 2 }>>> = {
  0xdc: { bytes: 2, values: 1 },
  0xdd: { bytes: 4, values: 1 },
  0xde: { bytes: 2, values: 2 },
  0xdf: { bytes: 4, values: 2 },
};

/**
 * Checks that a frame is one value, a mapping with a method, and not larger than that method needs.
 *
 * @throws BeelineError `CONTROL_FRAME`
 */
export function checkRequest(body: Uint8Array): void {
  const walk = new Walk(body);
  const members = walk.mapping();
  if (members > MOST_MEMBERS) {
    throw wrong('a frame is not a request');
  }
  let method = '';
  for (let i = 0; i < members; i += 1) {
    const isMethod = walk.text() === 'method';
    if (isMethod) {
      method = walk.text();
    } else {
      walk.skip();
    }
  }
  walk.end();
  const most = MOST_VALUES[method] ?? MOST_VALUES_ELSE;
  if (walk.values > most) {
    throw wrong(`a request has more than ${most} values`);
  }
}

/**
 * Checks that a frame is one value, of not more values than so many.
 *
 * @throws BeelineError `CONTROL_FRAME`
 */
export function checkShape(body: Uint8Array, mostValues: number): void {
  const walk = new Walk(body);
  walk.skip(mostValues);
  walk.end();
}

function wrong(message: string): BeelineError {
  return new BeelineError('CONTROL_FRAME', message);
}

class Walk {
  readonly #bytes: Buffer;
  #at = 0;
  values = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Enters a mapping. Returns how many entries it has. */
  mapping(): number {
    const first = this.#first();
    if (first >> 4 === 0x8) {
      return first & 0x0f;
    }
    if (first === 0xde || first === 0xdf) {
      return this.#number(first === 0xde ? 2 : 4);
    }
    throw wrong('a frame is not a request');
  }

  /** Reads a text. */
  text(): string {
    const first = this.#first();
    const bytes = LENGTH_OF_TEXT[first];
    if (first >> 5 !== 0x5 && (bytes === undefined || first < 0xd9)) {
      throw wrong('a frame is not a request');
    }
    const length = bytes === undefined ? first & 0x1f : this.#number(bytes);
    const from = this.#at;
    this.#advance(length);
    return this.#bytes.toString('utf8', from, Math.min(this.#at, from + 64));
  }

  /** Skips a value with all that is in it. */
  skip(mostValues = Infinity): void {
    // How many values are left in each list or mapping that the next one is in.
    const left = [1];
    while (left.length > 0) {
      const last = left.length - 1;
      if (left[last] === 0) {
        left.pop();
        continue;
      }
      left[last]! -= 1;
      if (this.values > mostValues) {
        throw wrong(`a frame has more than ${mostValues} values`);
      }
      const inside = this.#enter();
      if (inside > 0) {
        if (left.length > MOST_DEPTH) {
          throw wrong('a frame is nested too deep');
        }
        left.push(inside);
      }
    }
  }

  end(): void {
    if (this.#at !== this.#bytes.length) {
      throw wrong('a frame has more than one value');
    }
  }

  /** Skips one value. Returns how many values are in it. */
  #enter(): number {
    const first = this.#first();
    const fixed = FIXED[first];
    const text = LENGTH_OF_TEXT[first];
    const container = CONTAINERS[first];
    if (first < 0x80 || first >= 0xe0) {
      return 0;
    }
    if (first < 0xa0) {
      return (first & 0x0f) * (first < 0x90 ? 2 : 1);
    }
    if (first < 0xc0) {
      this.#advance(first & 0x1f);
    } else if (fixed !== undefined) {
      this.#advance(fixed - 1);
    } else if (text !== undefined) {
      this.#advance(this.#number(text));
    } else if (container !== undefined) {
      return this.#number(container.bytes) * container.values;
    } else {
      throw wrong('a frame is not a MessagePack value');
    }
    return 0;
  }

  #first(): number {
    this.values += 1;
    const first = this.#bytes[this.#at];
    this.#advance(1);
    return first!;
  }

  #number(bytes: number): number {
    const from = this.#at;
    this.#advance(bytes);
    return this.#bytes.readUIntBE(from, bytes);
  }

  #advance(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      throw wrong('a frame is not a MessagePack value');
    }
  }
}
