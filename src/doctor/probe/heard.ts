/** What other hosts than this one said of addresses, by address. Pure. */

import type { IpAddress, MacAddress } from '../../model/index.js';
import type { HeardMessage } from '../facts.js';

export class Heard {
  readonly #own: ReadonlySet<MacAddress>;
  /** What they say to have, by the address and the interface. */
  readonly #said = new Map<string, HeardMessage[]>();
  /** What nobody asked for, questions with their askers included: by the address that the message makes others remember. */
  readonly #unasked = new Map<IpAddress, HeardMessage[]>();

  /** @param own this host's MACs: what they say is known */
  constructor(own: ReadonlySet<MacAddress>) {
    this.#own = own;
  }

  add(message: HeardMessage): void {
    const { kind, address, asker, interface: name, unasked } = message;
    if (this.#own.has(message.sourceMac) || (message.mac !== undefined && this.#own.has(message.mac))) {
      return;
    }
    if (kind === 'says') {
      put(this.#said, keyOf(address, name), message);
    }
    const remembered = kind === 'asks' ? asker : unasked ? address : undefined;
    if (remembered !== undefined) {
      put(this.#unasked, remembered, message);
    }
  }

  /** Who says to have an address. */
  said(address: IpAddress, name: string): readonly HeardMessage[] {
    return this.#said.get(keyOf(address, name)) ?? [];
  }

  /** The MACs of those. */
  macsOf(address: IpAddress, name: string): MacAddress[] {
    return [...new Set(this.said(address, name).map((each) => each.mac ?? each.sourceMac))];
  }

  /** What was said of an address without being asked for. */
  unasked(address: IpAddress): readonly HeardMessage[] {
    return this.#unasked.get(address) ?? [];
  }
}

function keyOf(address: IpAddress, name: string): string {
  return `${address} ${name}`;
}

function put<Key>(map: Map<Key, HeardMessage[]>, key: Key, message: HeardMessage): void {
  const before = map.get(key);
  if (before === undefined) {
    map.set(key, [message]);
  } else {
    before.push(message);
  }
}
