/** Picks the destination of a packet, by its ring or by all rules: the twin of bpf/pick.h. */

import type { CompiledService } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';
import { follow, type Followed, followFirst } from './follow.js';
import type { Follower } from './ghost.js';
import { type Maps, uses } from './maps.js';
import { isMartian } from './martian.js';
import { clientOf, type Packet } from './parse.js';
import { isMoved, pickByRing } from './ring.js';

/**
 * Returns undefined for a later fragment of an ICMP error whose first one went nowhere that takes packets now.
 *
 * @param guarded why the frame is not to be forwarded: nothing is remembered of it then
 * @param ingress index of the interface that the frame came by
 */
export function pick(
  maps: Maps,
  service: CompiledService,
  packet: Packet,
  guarded: VerdictName | undefined,
  ingress: number | undefined,
  follower?: Follower,
): Followed | undefined {
  if (packet.byFirst === true) {
    return followFirst(maps, packet);
  }
  if (isMartian(maps.image, packet.client, ingress)) {
    return { verdict: guarded ?? 'martian', opens: false };
  }
  if (follower === undefined && goesByRing(maps, service, packet)) {
    const index = pickByRing(service, clientOf(packet));
    return { opens: packet.opens, ...(index !== undefined && { index }) };
  }
  return guarded === undefined ? (follower ?? follow)(maps, service, packet) : { verdict: guarded, opens: false };
}

/** Whether a packet goes where its slot leads, and nothing is asked or remembered of its flow. */
function goesByRing({ image }: Maps, service: CompiledService, packet: Packet): boolean {
  const { scheduler, onePacket } = service.service;
  if (!uses(image, 'flows')) {
    return true;
  }
  return scheduler === 'maglev' && !service.tracks && (!isMoved(service, clientOf(packet)) || onePacket === true);
}
