/** Clients of a director under test: the frames that they send, and the real servers that receive them. */

import { familyOf, ip, type IpAddress, type ServiceKey } from '../../src/model/index.js';
import { buildFrame, summarizeFrame, TCP_FLAG } from '../../src/packet/index.js';
import type { PacketDirector } from './director.js';
import { CLIENT_MAC, DIRECTOR, macFor } from './models.js';

/** TCP's flags by the letters that ipvs-golden names segments by. */
const FLAGS: Readonly<Record<string, number>> = { F: TCP_FLAG.fin, S: TCP_FLAG.syn, R: TCP_FLAG.rst, A: TCP_FLAG.ack };

export interface Client {
  readonly address?: IpAddress;
  readonly port: number;
}

/**
 * Builds a client's frame to a service.
 *
 * @param flags TCP's, by their letters
 * @param port the destination port, for a service of all ports
 */
export function frameOf(
  service: ServiceKey,
  { address = familyOf(service.address) === 4 ? ip('10.50.0.1') : ip('fd50::1'), port: sourcePort }: Client,
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

/** Sends a frame and returns the real server that it is forwarded to; undefined if it is not forwarded. */
export function serverOf(director: PacketDirector, frame: Uint8Array): IpAddress | undefined {
  const { action, frame: sent } = director.send(frame);
  if (action !== 'tx') {
    return undefined;
  }
  const mac = summarizeFrame(sent).destinationMac;
  // The director's own answer, back to where the frame came from.
  if (mac === summarizeFrame(frame).sourceMac) {
    return undefined;
  }
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

  /** Sends a segment or datagram and returns where it goes; undefined if it is not forwarded. */
  send(client: Client | number, flags = 'S', port?: number): string | undefined {
    const from = typeof client === 'number' ? { port: client } : client;
    return lastPart(serverOf(this.#director, frameOf(this.#service, from, flags, port)));
  }

  /** Sends segments of one flow and returns where the last one goes. */
  segments(client: Client | number, ...segments: string[]): string | undefined {
    return segments.map((flags) => this.send(client, flags)).at(-1);
  }

  /** Opens flows from consecutive ports and returns where they go, one after another. */
  open(firstPort: number, count: number): string {
    return Array.from({ length: count }, (_, i) => this.send(firstPort + i) ?? '-').join(' ');
  }
}

export function lastPart(address: IpAddress | undefined): string | undefined {
  return address?.split(/[.:]/).at(-1);
}
