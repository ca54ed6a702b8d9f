/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Flows from their first packet to their last: found where they are remembered, scheduled where they are not, kept
 * together by client where a service is persistent, and left where they were where a change moved their slot.
 */
#pragma once

#include "schedule.h"

static __always_inline __u32 fail(struct flow_query *query, enum verdict verdict)
{
	query->verdict = verdict;
	return 0;
}

static __always_inline __u32 no_destination(struct flow_query *query)
{
	return fail(query, query->flags & SERVICE_DROP ? VERDICT_DROPPED : VERDICT_NO_DESTINATION);
}

static __always_inline bool takes_packets(__u32 number, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	return table && number && destination_numbered(table, number)->number == number;
}

static __always_inline bool is_datagram(__u32 event)
{
	return event == EVENT_DATAGRAM || event == EVENT_INITIAL;
}

/*
 * The destination for a flow that has none: where its client's others are, `otherwise`, or, when that is 0, the
 * scheduler's choice. 0 when none takes it.
 */
static __always_inline __u32 assign(struct flow_query *query, bool persistent, __u32 otherwise)
{
	__u32 found = persistent ? find_flow(query, true) : 0;
	__u32 number = found ? flow_number(query->data) : 0;

	if (number && takes_packets(number, query->copy)) {
		change_flow(query, found, number, flow_state(query->data));
		return number;
	}
	number = otherwise ? otherwise : schedule_flow(query);
	if (number && found)
		change_flow(query, found, number, flow_state(query->data));
	else if (number && persistent)
		store_flow(query, true, number, FLOW_TEMPLATE_NEW);
	return number;
}

/* What a change left of the flow's slot: SLOT_UNMOVED, SLOT_MARKED, or the index of the destination that it led to. */
static __always_inline __u32 previous_of(const struct flow_query *query, const struct policy *policy)
{
	/* As in policy_of(): kernel 6.1 wants the key on the stack. */
	__u32 copy = query->copy;
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	if (!table || !(query->flags & SERVICE_MOVED) || !is_hashed(policy))
		return SLOT_UNMOVED;
	return slot_at(table, query->ring + policy->length + hashed_slot(query, policy));
}

/* The number of that destination when it still takes packets, or 0. */
static __always_inline __u32 previous_number(const struct flow_query *query, __u32 previous)
{
	const struct candidate *candidate =
		previous < SLOT_MARKED ? candidate_at(query->first + previous, query->copy) : NULL;

	return candidate ? candidate->number : 0;
}

/*
 * A packet whose flow has an entry. A SYN after the flow's end begins another one (is_new_conn_expected in
 * net/netfilter/ipvs/ip_vs_core.c); a flow whose destination takes no packets any more goes to another at once.
 */
static __always_inline __u32 follow_known(struct flow_query *query, bool persistent, __u32 found)
{
	__u64 data = query->data;
	__u32 number = flow_number(data), state = flow_state(data), next = next_state(state, query->event);
	bool over = state == FLOW_TIME_WAIT || state == FLOW_CLOSE;

	query->opens = over && query->event == EVENT_SYN;
	if (query->opens || !takes_packets(number, query->copy)) {
		number = assign(query, persistent, 0);
		if (!number)
			return no_destination(query);
		query->data = data;
	}
	if (query->event == EVENT_PASSIVE)
		return number;
	change_flow(query, found, number, next);
	if (persistent && next != state && (next == FLOW_ESTABLISHED || next == FLOW_UDP)) {
		/* Its client is no forged address, or at least no packet's of a flood. */
		found = find_flow(query, true);
		if (found)
			change_flow(query, found, flow_number(query->data), FLOW_TEMPLATE);
	}
	return number;
}

/*
 * A packet whose flow has no entry, under a scheduler that finds its slot anew from every packet: flows are only stored
 * where the slot would not lead to their destination later. A SYN is stored on a moved slot, and where a threshold has
 * it go elsewhere, alone, so that no flood of them fills the table; what has no entry on a moved slot, and does not
 * begin, began before the change.
 */
static __always_inline __u32 follow_hashed(struct flow_query *query, bool persistent, __u32 previous)
{
	__u32 before = previous_number(query, previous), event = query->event, number;
	bool begins = event == EVENT_SYN || event == EVENT_INITIAL;
	bool stays = query->flags & SERVICE_TRACK || before;

	if (event == EVENT_PASSIVE)
		number = before ? before : schedule_flow(query);
	else
		number = assign(query, persistent, begins ? 0 : before);
	if (!number)
		return no_destination(query);
	if (is_datagram(event)) {
		query->opens = stays && store_flow(query, false, number, FLOW_UDP_NEW);
	} else if (event == EVENT_SYN) {
		query->opens = true;
		if (before || query->diverted)
			store_flow(query, false, number, FLOW_SYN_RECV);
	} else if (event == EVENT_ACK && stays) {
		store_flow(query, false, number, FLOW_UNCONFIRMED);
	}
	return number;
}

/* The same under the other schedulers: a flow that cannot be remembered cannot be. */
static __always_inline __u32 follow_scheduled(struct flow_query *query, bool persistent)
{
	bool datagram = is_datagram(query->event);

	if (!datagram && query->event != EVENT_SYN)
		return fail(query, VERDICT_NO_FLOW);
	__u32 number = assign(query, persistent, 0);
	if (!number)
		return no_destination(query);
	if (!store_flow(query, false, number, datagram ? FLOW_UDP_NEW : FLOW_SYN_RECV))
		return fail(query, VERDICT_FLOWS_FULL);
	query->opens = true;
	return number;
}

/* The number of the destination that a packet goes to; 0 for none, and `verdict` says why. */
__noinline int follow_flow(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;
	__u32 previous = previous_of(query, policy), number;
	bool persistent = policy->flags & POLICY_PERSISTENT, hashed = is_hashed(policy);

	if (policy->flags & POLICY_ONE_PACKET || (!(query->flags & SERVICE_TRACK) && previous == SLOT_UNMOVED)) {
		query->opens = query->event == EVENT_SYN || policy->flags & POLICY_ONE_PACKET;
		number = schedule_flow(query);
		return number ? number : no_destination(query);
	}
	__u32 found = find_flow(query, false);
	if (found)
		return follow_known(query, persistent, found);
	return hashed ? follow_hashed(query, persistent, previous) : follow_scheduled(query, persistent);
}
