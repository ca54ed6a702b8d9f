/** Finds the service that a packet is for: the twin of bpf/match.h. */

import type { CompiledService, Image } from '../image/index.js';
import { type IpAddress, ipBytes, isMarkKey, type Protocol } from '../model/index.js';
import { bytesKey } from './parse.js';

/** The services of one image, by address, port and protocol. */
export class ServiceTable {
  readonly #services = new Map<string, CompiledService>();
  /** The services of marks, by the addresses and ports that get the mark. */
  readonly #marked = new Map<string, CompiledService>();
  /** How the VIPs are spelt, by their bytes. */
  readonly #vips = new Map<string, IpAddress>();

  constructor(image: Image) {
    for (const compiled of image.services) {
      if (!isMarkKey(compiled.service)) {
        const { address, port, protocol } = compiled.service;
        this.#services.set(`${protocol} ${address} ${port}`, compiled);
        this.#vips.set(bytesKey(ipBytes(address)), address);
      }
    }
    for (const { service, address, protocol, ports } of image.markEntries) {
      const compiled = image.services.find(({ name }) => name === service)!;
      ports.forEach((port) => this.#marked.set(`${protocol} ${address} ${port}`, compiled));
      this.#vips.set(bytesKey(ipBytes(address)), address);
    }
    for (const { place } of image.ghosts) {
      if (place !== undefined) {
        this.#vips.set(bytesKey(ipBytes(place.address)), place.address);
      }
    }
  }

  /** The VIP with these bytes; undefined when there is none. */
  vip(address: Uint8Array): IpAddress | undefined {
    return this.#vips.get(bytesKey(address));
  }

  match(protocol: Protocol, vip: IpAddress, port: number): CompiledService | undefined {
    const [exact, wildcard] = [`${protocol} ${vip} ${port}`, `${protocol} ${vip} 0`];
    return (
      this.#marked.get(exact) ?? this.#marked.get(wildcard) ?? this.#services.get(exact) ?? this.#services.get(wildcard)
    );
  }
}
