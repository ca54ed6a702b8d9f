/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Packets that are not plain: fragments, ICMP errors, and TCP and UDP behind tags, options or extension headers. Those
 * that cannot be scheduled get a result that says why, and go up.
 */
#pragma once

#include "fragment.h"
#include "icmp.h"
#include "state.h"
#include "walk.h"

/*
 * Reads what a first fragment has of a TCP header that goes on in the next one: the ports are always there (RFC
 * 791, 3.2: at least eight bytes), and maybe the flags. Without flags the packet can only be of a flow that is known.
 * Not in IPv6, whose first fragments have all headers (RFC 7112, 5).
 */
static __always_inline bool take_first_bytes(const struct frame *frame, const void *transport, struct packet *packet)
{
	packet->ports = transport;
	if (transport + TCP_FLAGS_OFFSET + 1 <= frame->end)
		packet->tcp = transport;
	else
		packet->passive = true;
	return true;
}

/* Reads the ports of a TCP or UDP header. `is_ipv6` is a constant. */
static __always_inline enum parse_result take_ports(const struct frame *frame, const struct payload *payload,
						    struct packet *packet, struct ports *room, bool is_ipv6)
{
	if (is_ipsec(payload->protocol, is_ipv6)) {
		take_ike_ports(packet, room);
		return PARSED;
	}
	if (payload->protocol != IPPROTO_TCP && payload->protocol != IPPROTO_UDP)
		return PARSE_OTHER_PROTOCOL;
	const void *transport = at(frame, payload->offset, sizeof(struct udphdr));
	if (!transport)
		return PARSE_TRUNCATED;
	if (parse_transport(frame, transport, payload->protocol, packet))
		return PARSED;
	return !is_ipv6 && payload->first_fragment && take_first_bytes(frame, transport, packet) ? PARSED
												 : PARSE_TRUNCATED;
}

/* Takes the ports of a later fragment from its first fragment. */
static __always_inline enum parse_result take_first_ports(const struct payload *payload, struct packet *packet,
							  struct ports *room, bool is_ipv6)
{
	__u32 kind = 0;
	bool found = is_ipv6 ? find_fragment6(packet->ip6, payload->id, room, &kind, &packet->first_went)
			     : find_fragment4(packet->ip, room, &kind, &packet->first_went);

	packet->ports = room;
	packet->passive = true;
	take_kind(packet, kind);
	if (found)
		return PARSED;
	return is_icmp(payload, is_ipv6) ? PARSE_ICMP : PARSE_EARLY;
}

/* Whether a fragment can be of TCP or UDP: a later one of IPv6 names the header that its first begins with. */
static __always_inline bool may_be_transport(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPV6_HOP_BY_HOP ||
	       protocol == IPV6_ROUTING || protocol == IPV6_DESTINATION_OPTIONS || protocol == IPV6_AUTHENTICATION;
}

/*
 * Reads the ports, and the client of an ICMP error. `room` is for ports that the frame does not have in this order.
 * `is_ipv6` is a constant.
 */
static __always_inline enum parse_result parse_payload(struct xdp_md *context, const struct frame *frame,
						       const struct payload *payload, struct packet *packet,
						       struct ports *room, bool is_ipv6)
{
	bool fragment = payload->first_fragment || payload->later_fragment;
	bool icmp = is_icmp(payload, is_ipv6);

	if (fragment && !icmp && !may_be_transport(payload->protocol))
		return PARSE_OTHER_PROTOCOL;
	/* Without their first, fragments of ICMP are the host's, as a large echo is. */
	if (fragment && !uses(FEATURE_FRAGMENTS))
		return icmp ? PARSE_ICMP : PARSE_FRAGMENT;
	if (payload->later_fragment)
		return take_first_ports(payload, packet, room, is_ipv6);
	if (!icmp)
		return take_ports(frame, payload, packet, room, is_ipv6);
	return (is_ipv6 ? parse_icmp6(context, frame, payload->offset, packet, room)
			: parse_icmp(frame, payload->offset, packet, room))
		       ? PARSED
		       : PARSE_ICMP;
}
