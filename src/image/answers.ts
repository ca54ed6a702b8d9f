/** The addresses from which the director sends ICMP errors: its own, never a VIP. */

import { familyOf, type Interface, ip, type IpAddress, isMarkKey, type AnyService } from '../model/index.js';
import type { MarkEntry } from './marks.js';

/** An address of each family; undefined: the director has none, and does not answer. */
export interface AnswerSource {
  readonly 4: IpAddress;
  readonly 6: IpAddress | undefined;
}

/** The source of an IPv4 host's ICMP errors that has no address (RFC 7600, 4.8; INADDR_DUMMY in linux/in.h). */
const NO_ADDRESS = ip('192.0.0.8');

/** Returns the sources of answers by the index of the interface that a packet came by. */
export function answerSourcesOf(
  interfaces: readonly Interface[],
  services: readonly AnyService[],
  marks: readonly MarkEntry[],
): ReadonlyMap<number, AnswerSource> {
  const vips = new Set([
    ...services.flatMap((service) => (isMarkKey(service) ? [] : service.address)),
    ...marks.map(({ address }) => address),
  ]);
  return new Map(
    interfaces.map(({ ifindex, addresses = [] }) => {
      const own = addresses.filter((address) => !vips.has(address));
      const first = (family: 4 | 6): IpAddress | undefined => own.find((address) => familyOf(address) === family);
      return [ifindex, { 4: first(4) ?? NO_ADDRESS, 6: first(6) }];
    }),
  );
}
