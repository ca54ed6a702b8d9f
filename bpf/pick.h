/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Picks the destination.
 */
#pragma once

#include "follow.h"
#include "guard.h"

/* The number of the destination of a flow whose entry this packet leaves as it is, or 0. */
static __always_inline __u32 hit(const struct packet *packet, const struct delivery *delivery)
{
	__u32 state = steady_state(packet);
	__u64 words[3];

	if (unlikely(state == FLOW_FREE))
		return 0;
	fill_words(words, packet, delivery);
	__u64 steady = flow_data(packet->ports->destination, 0, state, flow_now());
	return delivery->is_ipv6 ? hit_flow(words, FLOW6_WORDS, steady) : hit_flow(words, FLOW4_WORDS, steady);
}
