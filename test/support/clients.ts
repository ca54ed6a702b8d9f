/** Clients of a director under test: their frames, and the real servers that get them. */

import { familyOf, type IpAddress, type ServiceKey } from '../../src/model/index.js';
import { buildFrame } from '../../src/packet/index.js';
import type { PacketDirector } from './director.js';
import { CLIENT_MAC, DIRECTOR, macFor } from './models.js';

/** Bits of TCP's flags, by the letters with which ipvs-golden names segments: S, A, F, R. */
const FLAGS: Readonly<Record<string, number>> = { F: 0x01, S: 0x02, R: 0x04, A: 0x10 };

export interface Client {
  readonly address?: IpAddress;
  readonly port: number;
}

/**
 * Returns a frame from a client to a service.
 *
 * @param flags TCP's flags, by their letters
 * @param port the virtual port, for a service that takes all ports
 */
export function frameOf(
  service: ServiceKey,
  { address = familyOf(service.address) === 4 ? '10.50.0.1' : 'fd50::1', port: sourcePort }: Client,
  flags = 'S',
  port = service.port,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array {
  return buildFrame({
    destinationMac: DIRECTOR.mac,
    sourceMac: CLIENT_MAC,
    source: address,
    destination: service.address,
    protocol: service.protocol,
    sourcePort,
    destinationPort: port,
    flags: Object.entries(FLAGS).reduce((bits, [letter, bit]) => (flags.includes(letter) ? bits | bit : bits), 0),
    payload,
  });
}

/** Returns the real server that a frame is sent to, by its MAC; undefined if it is not sent. */
export function serverOf(director: PacketDirector, frame: Uint8Array): IpAddress | undefined {
  const { action, frame: sent } = director.send(frame);
  if (action !== 'tx') {
    return undefined;
  }
  const mac = Buffer.from(sent.subarray(0, 6))
    .toString('hex')
    .replace(/(..)(?!$)/g, '$1:');
  const all = director.publisher.image!.services.flatMap(({ destinations }) => destinations);
  return all.find(({ address }) => macFor(address) === mac)!.address;
}

/** Sends frames of clients to one service, and names the real server of each by the last part of its address. */
export class Caller {
  readonly #director: PacketDirector;
  readonly #service: ServiceKey;

  constructor(director: PacketDirector, service: ServiceKey) {
    this.#director = director;
    this.#service = service;
  }

  /** Sends a segment or a datagram and returns its real server; undefined if it is not sent. */
  send(client: Client | number, flags = 'S', port?: number): string | undefined {
    const from = typeof client === 'number' ? { port: client } : client;
    return lastPart(serverOf(this.#director, frameOf(this.#service, from, flags, port)));
  }

  /** Sends several segments of one flow and returns the real server of the last one. */
  segments(client: Client | number, ...segments: string[]): string | undefined {
    return segments.map((flags) => this.send(client, flags)).at(-1);
  }

  /** Opens flows from consecutive ports and returns their real servers in order. */
  open(firstPort: number, count: number): string {
    return Array.from({ length: count }, (_, i) => this.send(firstPort + i) ?? '-').join(' ');
  }
}

function lastPart(address: IpAddress | undefined): string | undefined {
  return address?.split(/[.:]/).at(-1);
}
