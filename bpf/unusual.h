/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Packets that are not plain: fragments, ICMP errors, and TCP and UDP behind tags, options or extension headers.
 */
#pragma once

#include "fragment.h"
#include "icmp.h"
#include "walk.h"

/* The ports of a TCP or UDP header. */
static __always_inline enum verdict take_ports(const struct frame *frame, const struct payload *payload,
					       struct packet *packet)
{
	if (payload->protocol != IPPROTO_TCP && payload->protocol != IPPROTO_UDP)
		return VERDICT_OTHER_PROTOCOL;
	const void *transport = at(frame, payload->offset, sizeof(struct udphdr));
	if (!transport || !parse_transport(frame, transport, payload->protocol, packet))
		return VERDICT_TRUNCATED;
	return VERDICT_FORWARDED;
}

/*
 * The ports and the client, wherever they stand; `room` is where ports go that stand nowhere as such. Returns what
 * stops the packet, VERDICT_FORWARDED when nothing does.
 */
static __always_inline enum verdict parse_ipv4_payload(const struct frame *frame, const struct payload *payload,
						       struct packet *packet, struct ports *room)
{
	bool fragment = payload->first_fragment || payload->later_fragment;

	if (fragment && !uses(FEATURE_FRAGMENTS))
		return VERDICT_FRAGMENT;
	if (payload->later_fragment) {
		packet->protocol = payload->protocol;
		packet->ports = room;
		packet->passive = true;
		return find_fragment4(packet->ip, room) ? VERDICT_FORWARDED : VERDICT_FRAGMENT;
	}
	if (payload->protocol == IPPROTO_ICMP) {
		/* An error is never as long as to be fragmented (RFC 1812, 4.3.2.3). */
		return !fragment && parse_icmp(frame, payload->offset, packet, room) ? VERDICT_FORWARDED : VERDICT_ICMP;
	}
	return take_ports(frame, payload, packet);
}

static __always_inline enum verdict parse_ipv6_payload(const struct frame *frame, const struct payload *payload,
						       struct packet *packet, struct ports *room)
{
	bool fragment = payload->first_fragment || payload->later_fragment;

	if (fragment && !uses(FEATURE_FRAGMENTS))
		return VERDICT_FRAGMENT;
	if (payload->later_fragment) {
		packet->ports = room;
		packet->passive = true;
		return find_fragment6(packet->ip6, payload->id, room, &packet->protocol) ? VERDICT_FORWARDED
											 : VERDICT_FRAGMENT;
	}
	if (payload->protocol == IPPROTO_ICMP6)
		return !fragment && parse_icmp6(frame, payload->offset, packet, room) ? VERDICT_FORWARDED
										      : VERDICT_ICMP;
	return take_ports(frame, payload, packet);
}
