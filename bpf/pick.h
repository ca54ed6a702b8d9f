/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Picks the destination of a packet: that of its flow's entry, where flows are remembered; else the one that its slot
 * of the ring leads to; and where neither is enough, as the rules of follow.h say.
 */
#pragma once

#include "answer.h"
#include "follow.h"
#include "ghost.h"
#include "guard.h"
#include "ring.h"

/* Returns the number of the destination of a flow whose entry this packet leaves as it is, or 0. */
static __always_inline __u32 hit(const struct packet *packet, const struct delivery *delivery)
{
	__u32 state = steady_state(packet);
	__u64 words[3];

	if (unlikely(state == FLOW_FREE))
		return 0;
	fill_flow_key(words, packet, delivery);
	__u64 steady = flow_data(packet->ports->destination, 0, state, flow_now());
	return delivery->is_ipv6 ? hit_flow(words, FLOW6_WORDS, steady) : hit_flow(words, FLOW4_WORDS, steady);
}

/* Picks by the flow's entry. False when the flow must be followed. */
static __always_inline bool pick_by_entry(const struct packet *packet, struct delivery *delivery)
{
	delivery->destination = destination_numbered(delivery->table, hit(packet, delivery));
	delivery->number = delivery->destination->number;
	NOTE_STEP(delivery->number ? TRACE_HIT : 0);
	return delivery->number != 0;
}

/*
 * Picks by the slot of the ring, maybe no destination (number 0). False when the flow must be followed, which also
 * finds the verdict of a martian.
 */
static __always_inline bool pick_by_slot(const struct packet *packet, struct delivery *delivery)
{
	__u8 flags = delivery->match->flags;
	__u32 slot = slot_of(packet, delivery);

	if (unlikely(is_martian(packet->client, delivery->table, *delivery->copy, delivery->is_ipv6)))
		return false;
	if (uses(FEATURE_FLOWS) && flags & (SERVICE_POLICY | SERVICE_MOVED) &&
	    (flags & SERVICE_POLICY || is_moved(delivery->table, delivery->match, slot)))
		return false;
	NOTE(slot, slot);
	NOTE_STEP(TRACE_RING);
	delivery->destination =
		destination_at(delivery->table, destination_of_slot(delivery->table, delivery->match, slot));
	delivery->number = delivery->destination->number;
	delivery->opens = opens_flow(packet);
	return true;
}

/* Ends a packet that no destination takes: answers it, or counts why it is not sent. */
static __always_inline bool end_without_destination(struct xdp_md *context, const struct packet *packet,
						    const struct delivery *delivery, enum verdict reason,
						    enum verdict *verdict)
{
	return reason == VERDICT_NO_DESTINATION ? refuse(context, packet, delivery, reason, 0, verdict)
						: stop(delivery, reason, verdict);
}

/* Picks the destination. False when there is none: the packet is then counted and has its verdict. */
static __always_inline bool pick(struct xdp_md *context, const struct frame *frame, const struct packet *packet,
				 struct delivery *delivery, bool lean, enum verdict *verdict)
{
	__u8 flags = delivery->match->flags;
	bool picked = uses(FEATURE_FLOWS) && flags & SERVICE_TRACK ? pick_by_entry(packet, delivery)
								   : pick_by_slot(packet, delivery);

	if (uses(FEATURE_FLOWS) && unlikely(!picked)) {
		if (!passes_guard(context, frame, delivery, false, lean, verdict))
			return false;
		enum verdict reason = VERDICT_NO_DESTINATION;

		/* A loop, so that follow() stands here once: twice it would take too much of the stack. */
#pragma clang loop unroll(disable)
		for (__u32 i = 0; i < 2; i++) {
			delivery->number = follow(frame, packet, delivery, &reason);
			if (likely(reason != VERDICT_NO_SERVICE) || !passes_ghost(packet, delivery))
				break;
		}
		if (unlikely(is_of_ghost(reason)))
			return stop_at_ghost(context, frame, packet, delivery, reason, verdict);
		if (unlikely(delivery->number == 0))
			return end_without_destination(context, packet, delivery, reason, verdict);
		delivery->destination = destination_numbered(delivery->table, delivery->number);
		return true;
	}
	if (unlikely(delivery->number == 0)) {
		if (!passes_guard(context, frame, delivery, false, lean, verdict))
			return false;
		return end_without_destination(context, packet, delivery, nobody_takes(flags), verdict);
	}
	return true;
}
