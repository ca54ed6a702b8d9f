/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Packets that are not plain: fragments, ICMP errors, and TCP and UDP behind tags, options or extension headers. Those
 * that cannot be scheduled get a result that says why, and go up.
 */
#pragma once

#include "fragment.h"
#include "icmp.h"
#include "walk.h"

/* Reads the ports of a TCP or UDP header. */
static __always_inline enum parse_result take_ports(const struct frame *frame, const struct payload *payload,
						    struct packet *packet)
{
	if (payload->protocol != IPPROTO_TCP && payload->protocol != IPPROTO_UDP)
		return PARSE_OTHER_PROTOCOL;
	const void *transport = at(frame, payload->offset, sizeof(struct udphdr));
	if (!transport || !parse_transport(frame, transport, payload->protocol, packet))
		return PARSE_TRUNCATED;
	return PARSED;
}

/* Takes the ports of a later fragment from its first fragment. */
static __always_inline enum parse_result take_first_ports(const struct payload *payload, struct packet *packet,
							  struct ports *room, bool is_ipv6)
{
	packet->ports = room;
	packet->passive = true;
	if (is_ipv6)
		return find_fragment6(packet->ip6, payload->id, room, &packet->protocol) ? PARSED : PARSE_FRAGMENT;
	packet->protocol = payload->protocol;
	return find_fragment4(packet->ip, room) ? PARSED : PARSE_FRAGMENT;
}

/*
 * Reads the ports, and the client of an ICMP error. `room` is for ports that the frame does not have in this order.
 * `is_ipv6` is a constant.
 */
static __always_inline enum parse_result parse_payload(const struct frame *frame, const struct payload *payload,
						       struct packet *packet, struct ports *room, bool is_ipv6)
{
	bool fragment = payload->first_fragment || payload->later_fragment;

	if (fragment && !uses(FEATURE_FRAGMENTS))
		return PARSE_FRAGMENT;
	if (payload->later_fragment)
		return take_first_ports(payload, packet, room, is_ipv6);
	if (payload->protocol != (is_ipv6 ? IPPROTO_ICMP6 : IPPROTO_ICMP))
		return take_ports(frame, payload, packet);
	/* An error is too short to be fragmented (RFC 1812, 4.3.2.3). */
	if (fragment)
		return PARSE_ICMP;
	return (is_ipv6 ? parse_icmp6(frame, payload->offset, packet, room)
			: parse_icmp(frame, payload->offset, packet, room))
		       ? PARSED
		       : PARSE_ICMP;
}
