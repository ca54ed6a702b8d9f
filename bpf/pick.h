/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Picks the destination of a packet: that of its flow's entry, where flows are remembered; else the one that its slot
 * of the ring leads to; and where neither is enough, as the rules of follow.h say.
 */
#pragma once

#include "follow.h"
#include "ghost.h"
#include "guard.h"
#include "ring.h"

/* Returns the number of the destination of a flow whose entry this packet leaves as it is, or 0. */
static __always_inline __u32 hit(const struct packet *packet, const struct delivery *delivery)
{
	/* Looked up before anything is computed, as forward_dr() does with the destinations: saves 6 instructions. */
	const volatile __u64 *table = flow_table(delivery->is_ipv6);
	__u32 state = steady_state(packet);
	__u64 words[3];

	if (!table || unlikely(state == FLOW_FREE))
		return 0;
	fill_flow_key(words, packet, delivery);
	__u64 steady = flow_data(packet->ports->destination, 0, state, flow_now());
	return delivery->is_ipv6 ? hit_flow(table, words, FLOW6_WORDS, steady)
				 : hit_flow(table, words, FLOW4_WORDS, steady);
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
 * finds the verdict of a martian. A plain packet's client is none: pick() looked.
 */
static __always_inline bool pick_by_slot(const struct xdp_md *context, const struct packet *packet,
					 struct delivery *delivery, bool plain)
{
	__u8 flags = delivery->match->flags;
	__u32 slot = slot_of(packet, delivery);

	if (!plain && unlikely(is_martian(packet->client, delivery->table, *delivery->copy, delivery->is_ipv6)) &&
	    !is_from_host(context, *delivery->copy))
		return false;
	if (flags & (SERVICE_POLICY | SERVICE_MOVED) &&
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

/*
 * Follows the packet's flow, and that of the VIP's service for every port when the packet is of no known flow of a
 * service that was removed.
 */
static __always_inline void follow_past_ghosts(const struct frame *frame, const struct packet *packet,
					       struct delivery *delivery, enum verdict *reason)
{
	/* A loop, so that follow() stands here once: twice it would take too much of the stack. */
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 2; i++) {
		delivery->number = follow(frame, packet, delivery, reason);
		if (likely(*reason != VERDICT_NO_SERVICE) || !passes_ghost(packet, delivery))
			break;
	}
}

/*
 * Picks the destination that the first fragment of an ICMP error went to. False when it went to none, or that takes no
 * packets any more.
 */
static __always_inline bool pick_by_first(const struct packet *packet, struct delivery *delivery)
{
	delivery->destination = destination_numbered(delivery->table, packet->first_went);
	delivery->number = delivery->destination->number;
	NOTE_STEP(TRACE_FIRST_WENT);
	return delivery->number && delivery->number == packet->first_went;
}

/* Picks the destination of a flow that must be followed. False when there is none: the packet then has its verdict. */
static __always_inline bool pick_by_following(struct xdp_md *context, const struct frame *frame,
					      const struct packet *packet, struct delivery *delivery, bool lean,
					      bool plain, enum verdict *verdict)
{
	enum verdict reason = VERDICT_NO_DESTINATION;

	if (!passes_guard(context, frame, delivery, false, lean, verdict))
		return false;
	if (!uses(FEATURE_FLOWS))
		return stop(reason, verdict);
	if (plain)
		delivery->number = follow(frame, packet, delivery, &reason);
	else
		follow_past_ghosts(frame, packet, delivery, &reason);
	if (unlikely(delivery->number == 0)) {
		if (is_of_ghost(reason))
			reason = plain ? NOT_PLAIN : verdict_at_ghost(context, frame, packet, delivery, reason);
		return stop(reason, verdict);
	}
	delivery->destination = destination_numbered(delivery->table, delivery->number);
	return true;
}

/*
 * Picks the destination. False when there is none: the packet then has its verdict. `plain`, a constant: a plain packet
 * whose client may be a martian, or that meets a ghost, starts again as an unusual one. Both are rare, and their calls
 * here would cost each packet 1 to 2 ns, in registers.
 *
 * A plain packet's two ways return by themselves: joined as those of an unusual one are, which the verifier needs, they
 * cost 25 instructions. FEATURE_FLOWS is not tested: it is on wherever there are services.
 */
static __always_inline bool pick(struct xdp_md *context, const struct frame *frame, const struct packet *packet,
				 struct delivery *delivery, bool lean, bool plain, enum verdict *verdict)
{
	__u8 flags = delivery->match->flags;
	bool picked;

	if (!plain && packet->by_first)
		return pick_by_first(packet, delivery) || stop(VERDICT_ICMP, verdict);
	if (flags & SERVICE_TRACK) {
		picked = pick_by_entry(packet, delivery);
		if (plain && likely(picked))
			return true;
	} else {
		if (plain && unlikely(may_be_martian(packet->client, delivery->table, delivery->is_ipv6)))
			return stop(NOT_PLAIN, verdict);
		picked = pick_by_slot(context, packet, delivery, plain);
		if (plain && likely(picked && delivery->number != 0))
			return true;
	}
	if (unlikely(!picked))
		return pick_by_following(context, frame, packet, delivery, lean, plain, verdict);
	if (likely(delivery->number != 0))
		return true;
	return passes_guard(context, frame, delivery, false, lean, verdict) && stop(nobody_takes(flags), verdict);
}
