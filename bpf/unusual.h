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
						    struct packet *packet, bool is_ipv6)
{
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
	packet->ports = room;
	packet->passive = true;
	if (is_ipv6)
		return find_fragment6(packet->ip6, payload->id, room, &packet->protocol, &packet->first_went)
			       ? PARSED
			       : PARSE_FRAGMENT;
	packet->protocol = payload->protocol;
	return find_fragment4(packet->ip, room, &packet->first_went) ? PARSED : PARSE_FRAGMENT;
}

/* Whether a fragment can be of TCP or UDP: a later one of IPv6 names the header that its first begins with. */
static __always_inline bool may_be_transport(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPV6_HOP_BY_HOP ||
	       protocol == IPV6_ROUTING || protocol == IPV6_DESTINATION_OPTIONS;
}

/*
 * Reads the ports, and the client of an ICMP error. `room` is for ports that the frame does not have in this order.
 * `is_ipv6` is a constant.
 */
static __always_inline enum parse_result parse_payload(const struct frame *frame, const struct payload *payload,
						       struct packet *packet, struct ports *room, bool is_ipv6)
{
	bool fragment = payload->first_fragment || payload->later_fragment;
	bool icmp = payload->protocol == (is_ipv6 ? IPPROTO_ICMP6 : IPPROTO_ICMP);

	/* A large echo is the host's. An error is too short to be fragmented (RFC 1812, 4.3.2.3). */
	if (fragment && icmp)
		return PARSE_ICMP;
	if (fragment && !may_be_transport(payload->protocol))
		return PARSE_OTHER_PROTOCOL;
	if (fragment && !uses(FEATURE_FRAGMENTS))
		return PARSE_FRAGMENT;
	if (payload->later_fragment)
		return take_first_ports(payload, packet, room, is_ipv6);
	if (!icmp)
		return take_ports(frame, payload, packet, is_ipv6);
	return (is_ipv6 ? parse_icmp6(frame, payload->offset, packet, room)
			: parse_icmp(frame, payload->offset, packet, room))
		       ? PARSED
		       : PARSE_ICMP;
}
