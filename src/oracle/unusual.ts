/** Fragments, ICMP errors, and everything that cannot be scheduled: the twin of bpf/unusual.h. */

import type { VerdictName } from '../layout/index.js';
import { findFragment } from './fragment.js';
import { ICMP_PROTOCOL, ikeOf, quotedFlow } from './icmp.js';
import { type Maps, uses } from './maps.js';
import { type Frame, type ParsedPacket, parseTransport, protocolOf } from './parse.js';
import { type Header, isIpsec, type Payload } from './walk.js';

/** Headers that a later fragment of IPv6 names when its first begins with one. */
const EXTENSIONS: readonly number[] = [0, 43, 51, 60];

/** Reads which flow a packet is of; a verdict when it cannot be scheduled. */
export function parsePayload(maps: Maps, frame: Frame, header: Header, payload: Payload): ParsedPacket | VerdictName {
  const { protocol: number, offset, fragment } = payload;
  const isIcmp = number === ICMP_PROTOCOL[header.family];
  if (fragment !== undefined && !isIcmp && protocolOf(number) === undefined && !EXTENSIONS.includes(number)) {
    return 'other-protocol';
  }
  if (fragment !== undefined && !uses(maps.image, 'fragments')) {
    return isIcmp ? 'icmp' : 'fragment';
  }
  if (fragment === 'later') {
    const first = findFragment(maps, header, payload);
    // Without their first, fragments of ICMP are the host's, as a large echo is.
    const missing = isIcmp ? 'icmp' : 'early';
    return first === undefined ? missing : { ...first, client: header.source, event: 'passive', opens: false };
  }
  if (isIcmp) {
    return quotedFlow(frame, header, offset) ?? 'icmp';
  }
  if (isIpsec(header.family, number)) {
    return ikeOf(header.source, 'ipsec');
  }
  const protocol = protocolOf(number);
  if (protocol === undefined) {
    return 'other-protocol';
  }
  // RFC 791, 3.2: at least eight bytes. IPv6's first fragments have all headers (RFC 7112, 5).
  const goesOn = fragment === 'first' && header.family === 4;
  return parseTransport(frame, protocol, header.source, offset, goesOn) ?? 'truncated';
}
