/** The tables of identities: by number, which service or destination it is, so that the next daemon can go on with it. */

import * as layout from '../../layout/index.js';
import {
  type AnyServiceKey,
  type Family,
  familyOf,
  type IpAddress,
  ipBytes,
  ipFromBytes,
  isMarkKey,
  type MarkKey,
  PROTOCOL_NUMBERS,
  PROTOCOLS,
  type ServiceKey,
  serviceName,
} from '../../model/index.js';
import { ghostOf, ghostOfEntry } from '../ghosts.js';
import type { Ghost, Image } from '../image.js';
import { markEntryName } from '../marks.js';
import {
  type DestinationNumber,
  destinationNumber,
  type Numbering,
  type NumberSet,
  type ServiceNumber,
  serviceNumber,
  type ServiceNumbers,
} from '../numbering.js';

/** Stands for the protocol in the identity of a mark's service, whose mark is in the address. IANA reserves the number. */
const MARK_PROTOCOL = layout.entryProtocol.mark;

/** A destination of a mark's service has neither a port nor a protocol; its identity needs some. */
const NO_PORT = { port: 0, protocol: 'tcp' } as const;

/** Encodes struct identity of every number in `which`. */
export function encodeIdentities(
  image: Image,
  numbering: Numbering,
  which: NumberSet,
): { services: Map<ServiceNumber, Uint8Array>; destinations: Map<DestinationNumber, Uint8Array> } {
  const services = new Map<ServiceNumber, Uint8Array>();
  const destinations = new Map<DestinationNumber, Uint8Array>();
  if (which.services.length === 0 && which.destinations.length === 0) {
    return { services, destinations };
  }
  const newServices = new Set(which.services);
  const newDestinations = new Set(which.destinations);
  for (const { name, service } of image.services) {
    const numbers = numbering.get(name)!;
    if (newServices.has(numbers.number)) {
      services.set(numbers.number, isMarkKey(service) ? encodeMark(service) : encodeIdentity(service, 0));
    }
    for (const [address, number] of numbers.destinations) {
      if (newDestinations.has(number)) {
        const { port, protocol } = isMarkKey(service) ? NO_PORT : service;
        destinations.set(number, encodeIdentity({ address, port, protocol }, numbers.number));
      }
    }
  }
  for (const { name, service, address, protocol } of image.markEntries) {
    const { number } = numbering.get(name)!;
    if (newServices.has(number)) {
      services.set(number, encodeIdentity({ address, port: 0, protocol }, numbering.get(service)!.number));
    }
  }
  return { services, destinations };
}

/** @param service the number of the service that it belongs to; 0 for a service itself */
function encodeIdentity({ address, port, protocol }: ServiceKey, service: number): Uint8Array {
  const { identity } = layout;
  const bytes = new Uint8Array(identity.byteLength);
  const view = new DataView(bytes.buffer);
  bytes.set(ipBytes(address), identity.address.offset);
  view.setUint16(identity.port.offset, port);
  view.setUint8(identity.protocol.offset, PROTOCOL_NUMBERS[protocol]);
  view.setUint8(identity.family.offset, familyOf(address));
  view.setUint16(identity.service.offset, service, true);
  return bytes;
}

/** The mark is in the place of the address. */
function encodeMark({ mark, family }: MarkKey): Uint8Array {
  const { identity } = layout;
  const bytes = new Uint8Array(identity.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(identity.address.offset, mark);
  view.setUint8(identity.protocol.offset, MARK_PROTOCOL);
  view.setUint8(identity.family.offset, family);
  return bytes;
}

/** The bytes of all identities, by number. */
export interface IdentityTable {
  readonly bytes: Uint8Array;
  /** The distance of two identities in bytes. */
  readonly stride: number;
}

/** Reads the numbering from both tables. */
export function decodeNumbering(ofServices: IdentityTable, ofDestinations: IdentityTable): Numbering {
  const names = new Map<number, string>();
  const result = new Map<string, ServiceNumbers & { destinations: Map<IpAddress, DestinationNumber> }>();
  const services = [...identitiesIn(ofServices)];
  for (const { number, service, key } of services) {
    if (service === 0) {
      names.set(number, serviceName(key));
    }
  }
  // The entries of a mark's service are named after it.
  for (const { number, service, key } of services) {
    if (service !== 0 && !isMarkKey(key)) {
      names.set(number, markEntryName(names.get(service) ?? `${service}`, key.protocol, key.address));
    }
  }
  for (const { number } of services) {
    result.set(names.get(number)!, { number: serviceNumber(number), destinations: new Map() });
  }
  for (const { number, key, service } of identitiesIn(ofDestinations)) {
    if (!isMarkKey(key)) {
      result.get(names.get(service) ?? '')?.destinations.set(key.address, destinationNumber(number));
    }
  }
  return result;
}

/**
 * Returns the ghosts that all services would be, by name: the process that removed some of them may have ended since.
 * The ports of a mark's entry are not known: it takes the VIP's flows by every port.
 */
export function decodeGhosts(ofServices: IdentityTable): ReadonlyMap<string, Ghost> {
  const services = [...identitiesIn(ofServices)];
  const names = new Map(
    services.filter(({ service }) => service === 0).map(({ number, key }) => [number, serviceName(key)]),
  );
  return new Map(
    services.map(({ key, service }) => {
      if (service === 0 || isMarkKey(key)) {
        const name = serviceName(key);
        return [name, ghostOf(name, key)];
      }
      const group = names.get(service) ?? `${service}`;
      const name = markEntryName(group, key.protocol, key.address);
      return [name, ghostOfEntry({ ...key, name, service: group, ports: [0] }, undefined)];
    }),
  );
}

interface Identity {
  readonly number: number;
  /** The service; for a destination, its own address. */
  readonly key: AnyServiceKey;
  /** The number of the service that it belongs to; 0 for a service itself. */
  readonly service: number;
}

function* identitiesIn({ bytes, stride }: IdentityTable): Generator<Identity> {
  const { identity } = layout;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let number = 1; number < bytes.byteLength / stride; number += 1) {
    const at = number * stride;
    const service = view.getUint16(at + identity.service.offset, true);
    const family: Family = bytes[at + identity.family.offset] === 4 ? 4 : 6;
    const protocolNumber = bytes[at + identity.protocol.offset];
    if (protocolNumber === MARK_PROTOCOL) {
      const mark = view.getUint32(at + identity.address.offset);
      yield { number, key: { mark, family }, service };
      continue;
    }
    const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === protocolNumber);
    if (protocol !== undefined) {
      const addressAt = at + identity.address.offset;
      const address = ipFromBytes(bytes.subarray(addressAt, addressAt + (family === 4 ? 4 : 16)));
      yield { number, key: { address, port: view.getUint16(at + identity.port.offset), protocol }, service };
    }
  }
}
