/** Verdicts in words: the short form of docs/verdicts.md. */

import type { VerdictName } from './names.js';

/** Completes "the packet is …: …". */
export const VERDICT_WORDS: Readonly<Record<VerdictName, string>> = {
  forwarded: 'sent back out of the interface it came by',
  redirected: 'sent out of another interface',
  local: 'the real server is this host: passed up to it',
  'not-ours': 'for no VIP: passed up untouched, and not counted',
  'no-service': 'for a VIP, but no service has this protocol and port: passed up',
  'no-destination': 'the service has no real server that takes packets: answered with ICMP port unreachable',
  dropped: 'the service has no real server that takes packets, and is configured to drop then',
  'other-host': "the frame's destination MAC is not the director's: passed up",
  'not-master':
    'the frame is addressed to the MAC of a virtual router that another director is master of, as far as is known here: dropped',
  'other-vlan': 'the frame is in a VLAN that no real server and no device of this host is in: passed up',
  'from-director': 'another director sent it here as to a real server: passed up, never scheduled again',
  'from-real-server':
    'the real server that it would go to sent it here, so it is for this host: passed up, not sent back',
  martian: 'its source, or the client of an ICMP error, is an address that no client can have: dropped',
  icmp: "ICMP that is not an error about a service's flow: passed up, the host answers",
  'other-protocol': 'for a VIP, but neither TCP nor UDP nor ICMP, or IPsec without a service for IKE: passed up',
  fragment: 'a fragment, and fragments are off: dropped',
  extension: 'too many IPv6 extension headers, or a routing header with a way still to go: passed up',
  'too-long': 'longer than the MTU of the interface that it would leave by: answered with that MTU',
  ttl: 'TTL or hop limit is at its end, and the service decrements it: answered with ICMP time exceeded',
  'no-egress':
    'the interface that it would leave by is gone, or there is no room for a VLAN tag: answered with ICMP host unreachable',
  'no-flow': 'in the middle of a connection that is not known: passed up, the host resets it',
  'flows-full': 'a new flow that must be remembered lost its entry to another: dropped, the client tries again',
  'service-gone': 'of a known flow whose service was removed: dropped until the flow is over or the service is back',
  truncated: 'the frame ends within a header that is needed: dropped',
  malformed: 'the IP header contradicts itself: passed up',
  unresolved:
    'its real server, or all that could take it, do not answer ARP or neighbour discovery, or were removed a moment ago: dropped',
  limited: 'an ICMP error is due, but as many as the kernel allows were sent: dropped',
  unanswered: 'it cannot go on, and no ICMP error may or can be sent about it: dropped',
  'not-fragmented': 'longer than the MTU of the interface that it would leave by, without "do not fragment": dropped',
  early:
    'a fragment that came before its first one: kept for a moment by the daemon, which sends it after that, or dropped',
};
