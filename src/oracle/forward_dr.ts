/** Direct routing: whether a packet may leave, and the frame as it leaves. The twin of bpf/forward_dr.h. */

import { type CompiledService, type Image, isHeld, type Route, waitsForServers } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';
import { type Family, type Interface, type IpAddress, macBytes, macFromBytes } from '../model/index.js';
import { answer, type Answered } from './answer.js';
import type { Decision } from './delivery.js';
import type { Follower } from './ghost.js';
import { guard } from './guard.js';
import { type Maps, uses } from './maps.js';
import { ETHERNET_BYTES, ETHERTYPE, type Frame, type Packet } from './parse.js';
import { pick } from './pick.js';
import type { Header } from './walk.js';

const PRIORITY_BITS = 0xf000;
/** Where an IP header has its TTL or hop limit. */
const TTL_OFFSET = { 4: 8, 6: 7 } as const;

/**
 * Schedules a packet of a service, and sends it where it may go.
 *
 * @param ingress index of the interface that the frame came by
 * @param keep called with where a packet goes whose later fragments could go elsewhere: its flow gets no entry, and its
 *   slot may not tell
 * @param follower picks in place of the service's own rules: for ghosts
 */
export function forward(
  maps: Maps,
  frame: Frame,
  header: Header,
  packet: Packet,
  service: CompiledService,
  ingress: number | undefined,
  keep: (firstWent: IpAddress, firstService: string) => void,
  follower?: Follower,
): Decision {
  const { image } = maps;
  const refuse = (verdict: VerdictName): Decision => ({ verdict, service, frame: frame.bytes });
  const { service: asked } = service;
  const arrival = image.interfaces.find(({ ifindex }) => ifindex === ingress);
  const guarded = guard(image, frame, arrival);
  const picked = pick(maps, service, packet, guarded, ingress, follower);
  if (picked === undefined) {
    return refuse('icmp');
  }
  const { index: destination, verdict, opens } = picked;
  const owner = picked.elsewhere ?? service;
  const route = destination === undefined ? undefined : owner.routes[destination]!;
  if (guarded !== undefined) {
    return refuse(guarded);
  }
  const answered = (reason: Answered, mtu?: number): Decision => ({
    ...answer(maps, frame, header, packet, reason, { ingress, ...(mtu !== undefined && { mtu }) }),
    service,
  });
  if (route === undefined || (route.action === 'none' && !isHeld(owner, destination!))) {
    const reason = verdict ?? nobodyTakes(service);
    return reason === 'no-destination' ? answered(reason) : refuse(reason);
  }
  const led = (): void => {
    keep(owner.destinations[destination!]!.address, owner.name);
  };
  if (!service.tracks && asked.scheduler !== 'maglev') {
    led();
  }
  if (route.action === 'none') {
    return refuse('unresolved');
  }
  const counted = { service: owner, destination: destination!, bytes: header.bytes, opensFlow: opens };
  if (route.action === 'local') {
    if (packet.ofError) {
      led();
    }
    return { verdict: 'local', frame: frame.bytes, ...counted };
  }
  if (macFromBytes(frame.bytes.subarray(6, 12)) === route.mac) {
    return refuse('from-real-server');
  }
  const egress = image.interfaces.find(({ ifindex }) => ifindex === route.ifindex)!;
  const decrements = asked.ttl === 'decrement';
  const { most, told } = mtuOf(image, egress);
  if (header.bytes > most) {
    return answered('too-long', told);
  }
  if (decrements && frame.bytes[header.offset + TTL_OFFSET[header.family]]! <= 1) {
    return answered('ttl');
  }
  if (packet.ofError) {
    led();
  }
  return {
    verdict: uses(image, 'nics') && egress.group !== arrival!.group ? 'redirected' : 'forwarded',
    frame: rewrite(frame, header, route, uses(image, 'vlan'), decrements),
    ...counted,
  };
}

/** Why a packet is not sent that no destination takes. */
function nobodyTakes(service: CompiledService): VerdictName {
  if (waitsForServers(service)) {
    return 'unresolved';
  }
  return service.service.noDestination === 'drop' ? 'dropped' : 'no-destination';
}

/** The longest packet that may leave, and the MTU that the client of a longer one is told. */
function mtuOf(image: Image, egress: Interface): { readonly most: number; readonly told: number } {
  const shortest = Math.min(...image.interfaces.map(({ mtu }) => mtu));
  const known = uses(image, 'vlan') || uses(image, 'nics');
  const told = known ? Math.min(egress.mtu, 0xffff) : shortest;
  return { most: Math.max(shortest, told), told };
}

/** The frame with other MACs, the tags of its egress with `vlans`, and one less TTL where `decrements`. */
function rewrite(
  frame: Frame,
  { family, offset, tags }: Header,
  { mac, sourceMac, vlan }: Route & { action: 'forward' },
  vlans: boolean,
  decrements: boolean,
): Uint8Array {
  const { bytes, view: before } = frame;
  const priority = tags > 0 ? before.getUint16(ETHERNET_BYTES) & PRIORITY_BITS : 0;
  const wanted = [
    ...(!vlans || vlan?.outer === undefined ? [] : [[ETHERTYPE.service, priority | vlan.outer]]),
    ...(!vlans || vlan === undefined || vlan.id === 0 ? [] : [[ETHERTYPE.vlan, priority | vlan.id]]),
  ].flat();
  const words = [...wanted, family === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6];
  const packet = bytes.subarray(offset);
  const start = 12 + words.length * 2;
  const sent = new Uint8Array(start + packet.length);
  sent.set(macBytes(mac), 0);
  sent.set(macBytes(sourceMac), 6);
  sent.set(
    words.flatMap((word) => [word >> 8, word & 0xff]),
    12,
  );
  sent.set(packet, start);
  if (decrements) {
    decrementTtl(sent.subarray(start), family);
  }
  return sent;
}

/** Decrements TTL or hop limit as a router does; the checksum by RFC 1624, as in the kernel (ip_decrease_ttl). */
function decrementTtl(packet: Uint8Array, family: Family): void {
  if (family === 6) {
    packet[7]! -= 1;
    return;
  }
  const view = new DataView(packet.buffer, packet.byteOffset);
  const sum = view.getUint16(10, true) + 1;
  view.setUint16(10, sum + (sum >= 0xffff ? 1 : 0), true);
  packet[8]! -= 1;
}
