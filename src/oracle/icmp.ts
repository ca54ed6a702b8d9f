/** ICMP errors go where the flow goes whose packet they quote: the twin of bpf/icmp.h. */

import { addressesAt, type Frame, IP_HEADER, type ParsedPacket, portsAt, protocolOf } from './parse.js';
import { type Header, isIpsec, walk } from './walk.js';

export const ICMP_PROTOCOL = { 4: 1, 6: 58 } as const;
export const ICMP_BYTES = 8;
/** RFC 792; RFC 4443, 3. */
const ERROR_TYPES: Record<4 | 6, readonly number[]> = { 4: [3, 4, 11, 12], 6: [1, 2, 3, 4] };
/** An error quotes at least so much of the transport header (RFC 792). */
const QUOTED_BYTES = 8;
/** RFC 7296. */
const IKE_PORT = 500;

/** The flow that the ICMP error at an offset is about; undefined for all other ICMP. */
export function quotedFlow(frame: Frame, { family, destination }: Header, offset: number): ParsedPacket | undefined {
  const { bytes, view } = frame;
  const inner = offset + ICMP_BYTES;
  if (bytes.length < inner + IP_HEADER[family].bytes) {
    return undefined;
  }
  const quoted = addressesAt(frame, family, inner);
  const isError = ERROR_TYPES[family].includes(view.getUint8(offset));
  // The quoted packet left with the VIP as its source.
  const payload = isError && Buffer.compare(quoted.source, destination) === 0 ? walk(frame, family, inner) : undefined;
  if (typeof payload !== 'object' || payload.fragment === 'later' || bytes.length < payload.offset + QUOTED_BYTES) {
    return undefined;
  }
  if (isIpsec(family, payload.protocol)) {
    return ikeOf(quoted.destination, 'passive');
  }
  const protocol = protocolOf(payload.protocol);
  // The real server sent it: the flow's other direction.
  const { source: service, destination: client } = portsAt(frame, payload.offset);
  return (
    protocol && {
      protocol,
      client: quoted.destination,
      ports: { source: client, destination: service },
      event: 'passive',
      opens: false,
    }
  );
}

/** The packet of a client's IKE as which one of IPsec counts, or one that quotes it. It begins nothing. */
export function ikeOf(client: Uint8Array, event: 'passive' | 'ipsec'): ParsedPacket {
  return {
    protocol: 'udp',
    client,
    ports: { source: IKE_PORT, destination: IKE_PORT },
    event,
    opens: false,
  };
}
