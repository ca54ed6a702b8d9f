/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Flows from their first packet to their last: found where they are remembered, scheduled where they are not, kept
 * together by client where a service is persistent, and left where they were where a change moved their slot.
 */
#pragma once

#include "delivery.h"
#include "martian.h"
#include "schedule.h"
#include "template.h"

static __always_inline __u32 fail(struct flow_query *query, enum verdict verdict)
{
	query->verdict = verdict;
	return 0;
}

/* Returns why a packet is not sent that no destination of a service with these flags takes. */
static __always_inline enum verdict nobody_takes(__u8 flags)
{
	if (flags & SERVICE_WAITS)
		return VERDICT_UNRESOLVED;
	return flags & SERVICE_DROP ? VERDICT_DROPPED : VERDICT_NO_DESTINATION;
}

static __always_inline __u32 no_destination(struct flow_query *query)
{
	return fail(query, nobody_takes(query->flags));
}

/* Whether a destination takes packets of the flows that it has: also while it is held. */
static __always_inline bool takes_packets(__u32 number, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	return table && number && destination_numbered(table, number)->number == number;
}

/* Whether packets can be sent to a destination now, so that a client's next flow may go to it. */
static __always_inline bool is_reached(__u32 number, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	return table && takes_packets(number, copy) && !is_held(destination_numbered(table, number));
}

static __always_inline bool is_datagram(__u32 event)
{
	return event == EVENT_DATAGRAM || event == EVENT_INITIAL;
}

/* Returns the scheduler's choice; for maglev, whose slot is known, without a call. */
static __always_inline __u32 choose(struct flow_query *query, const struct policy *policy)
{
	NOTE_STEP(TRACE_SCHEDULED);
	if (likely(policy->scheduler == SCHEDULER_MAGLEV)) {
		__u32 slot = ring_slot(query->hash, query->shift);
		NOTE(slot, slot);
		__u32 owner = owner_of_slot(query->first, query->ring + slot, query->copy);
		const struct load *load = load_of(owner);

		if (likely(owner && load && !load->overload))
			return owner;
	}
	return schedule_flow(query, policy);
}

/* Returns the state of a template whose client begins another flow. */
static __always_inline __u32 template_after(const struct flow_query *query)
{
	return grown(flow_state(query->template_data), flow_age(query->template_data, query->now));
}

/* Assigns the flow of a persistent client: to the destination of its other flows, or as assign() does. */
static __always_inline __u32 assign_persistent(struct flow_query *query, const struct policy *policy, __u32 otherwise)
{
	__u32 found = find_template(query);
	__u64 template = query->template_data;
	__u32 number = found ? flow_number(template) : 0;

	if (number && is_reached(number, query->copy)) {
		change_template(query, found, number, template_after(query), query->now);
		return number;
	}
	number = otherwise ? otherwise : choose(query, policy);
	if (number && found)
		change_template(query, found, number, template_after(query), query->now);
	else if (number)
		store_template(query, number);
	return number;
}

/*
 * Returns the destination for a flow that has none: that of the client's other flows, or `otherwise`, or, when that is
 * 0, the scheduler's choice. 0 when none takes it.
 */
static __always_inline __u32 assign(struct flow_query *query, const struct policy *policy, __u32 otherwise)
{
	if (unlikely(policy->flags & POLICY_PERSISTENT))
		return assign_persistent(query, policy, otherwise);
	return otherwise ? otherwise : choose(query, policy);
}

/*
 * Returns the destination of a packet that opens nothing and whose flow has no entry, as far as that is known: that of
 * the client's other flows, `otherwise`, or that of its slot. 0 when nothing tells it: the packet is never scheduled by
 * itself. Changes nothing: for schedulers that hash, choose() only looks, since a packet that goes on diverts no flow.
 */
static __always_inline __u32 known_destination(struct flow_query *query, const struct policy *policy, __u32 otherwise)
{
	if (policy->flags & POLICY_PERSISTENT && find_template(query)) {
		__u32 number = flow_number(query->template_data);

		if (takes_packets(number, query->copy))
			return number;
	}
	if (query->first_went && takes_packets(query->first_went, query->copy)) {
		NOTE_STEP(TRACE_FIRST_WENT);
		return query->first_went;
	}
	return otherwise || !is_hashed(policy) ? otherwise : choose(query, policy);
}

/* Follows a packet that opens nothing and whose flow has no entry. */
static __always_inline __u32 follow_passive(struct flow_query *query, const struct policy *policy, __u32 otherwise)
{
	__u32 number = known_destination(query, policy, otherwise);

	if (number)
		return number;
	return is_hashed(policy) ? no_destination(query) : fail(query, VERDICT_NO_FLOW);
}

/* Returns what a change left of the flow's slot: an enum slot_mark, or the index of the destination that it led to. */
static __always_inline __u32 previous_of(const struct flow_query *query, const struct policy *policy)
{
	/* As in policy_of(): kernel 6.1 wants the key on the stack. */
	__u32 copy = query->copy;

	if (likely(!(query->flags & SERVICE_MOVED)) || !is_hashed(policy))
		return SLOT_UNMOVED;
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	if (!table)
		return SLOT_UNMOVED;
	NOTE(slot, hashed_slot(query, policy));
	NOTE(previous, slot_at(table, query->ring + policy->length + hashed_slot(query, policy)) + 1);
	return slot_at(table, query->ring + policy->length + hashed_slot(query, policy));
}

/* Returns that destination, or NULL when a change left none. */
static __always_inline const struct candidate *previous_candidate(const struct flow_query *query, __u32 previous)
{
	return previous < SLOT_MARKED ? candidate_at(query->first + previous, query->copy) : NULL;
}

/* Whether that destination still takes new flows. */
static __always_inline bool takes_new(const struct flow_query *query, __u32 previous)
{
	const struct candidate *candidate = previous_candidate(query, previous);

	return candidate && candidate->weight;
}

/* Returns the number of that destination when it still takes packets, or 0. */
static __always_inline __u32 previous_number(const struct flow_query *query, __u32 previous)
{
	const struct candidate *candidate = previous_candidate(query, previous);

	return candidate ? candidate->number : 0;
}

/*
 * Whether a destination turns away the SYN that finds a flow to it in this state. With weight 0 it turns away every
 * SYN, a repeated one too, as in IPVS with expire_nodest_conn (ip_vs_in() in net/netfilter/ipvs/ip_vs_core.c):
 * otherwise clients that use their ports again would keep it in use. At its threshold it turns away only SYNs of other
 * connections: a flow that waits for its handshake may be the one that reached the threshold.
 */
static __always_inline bool turns_away(__u32 number, __u32 state)
{
	const struct load *load = load_of(number);
	if (!load || !(load->quiesced || (load->overload && state != FLOW_SYN_RECV)))
		return false;
	NOTE_STEP(TRACE_TURNED_AWAY);
	return true;
}

/*
 * What a flow's next state says about its client's template: two packets, that the address is not forged, or at least
 * that the packet is not one of a flood; a flow that lasts, that the client does.
 */
static __always_inline void promote_template(struct flow_query *query, __u32 state)
{
	__u32 found = find_template(query);
	__u64 data = query->template_data;
	__u32 lasting = lasts(state) | lasts(flow_state(data));

	if (found)
		change_template(query, found, flow_number(data), FLOW_TEMPLATE | lasting * FLOW_LASTING,
				lasting ? data : query->now);
}

/* The states of flows whose templates are promoted. */
#define KNOWN_STATES                                                                                 \
	(1U << FLOW_UNCONFIRMED | 1U << FLOW_UDP | 1U << FLOW_ESTABLISHED | 1U << FLOW_UDP_LASTING | \
	 1U << FLOW_ESTABLISHED_LASTING)

/* Changes the entry of a flow that goes on, or begins again, and its client's template. */
static __always_inline void go_on(struct flow_query *query, const struct policy *policy, __u32 number, __u32 next,
				  __u32 words)
{
	__u64 data = query->data;

	change_entry(data_at(query->found - 1, words), data, number, next, query->now);
	if (policy->flags & POLICY_PERSISTENT && next != flow_state(data) && KNOWN_STATES >> next & 1)
		promote_template(query, next);
}

/*
 * Not a verdict: the packet's flow goes to another destination than its entry says, or it is passive and has no entry.
 * follow_again() decides then. That is rare, and in follow_in() it would take too many of the verifier's instructions,
 * and below it too much stack.
 */
#define FOLLOW_AGAIN VERDICT_COUNT

/*
 * Follows a flow that has an entry. A SYN after its end begins another flow (is_new_conn_expected in
 * net/netfilter/ipvs/ip_vs_core.c), and so does a SYN that its destination turns away; a flow whose destination takes
 * no packets any more goes to another at once. Without its service it goes nowhere, and its entry stays as it is
 * (ip_vs_in(): the destination is not available).
 */
static __always_inline __u32 follow_known(struct flow_query *query, const struct policy *policy, __u32 words)
{
	__u64 data = query->data;
	__u32 number = flow_number(data), state = flow_state(data);
	bool syn = query->event == EVENT_SYN, over = state == FLOW_TIME_WAIT || state == FLOW_CLOSE;

	query->opens = syn && over;
	bool leaves = query->opens || !takes_packets(number, query->copy) || (syn && turns_away(number, state));
	if (unlikely(leaves && policy->flags & POLICY_GHOST))
		return fail(query, query->opens ? VERDICT_NO_SERVICE : VERDICT_SERVICE_GONE);
	if (unlikely(leaves))
		return fail(query, FOLLOW_AGAIN);
	if (query->event != EVENT_PASSIVE)
		go_on(query, policy, number, state_after(data, query->event, query->now), words);
	return number;
}

/*
 * Begins a flow that has no entry, under a scheduler that finds the slot of every packet by a hash. Flows are stored
 * only where every flow has an entry, or the slot would not lead to their destination later. Under maglev a SYN is
 * stored only on a moved slot, and where a threshold diverts it, so that a flood of SYNs does not fill the table; sh
 * and mh count connections as IPVS does, from the SYN on. A packet without an entry on a moved slot that does not begin
 * a flow belongs to one that began before the change. Nothing tells that of a datagram: where the previous destination
 * takes no new flows, it begins one. `state` is the state to store the flow with.
 */
static __always_inline __u32 begin_hashed(struct flow_query *query, const struct policy *policy, __u32 previous,
					  __u32 *state)
{
	__u32 before = previous_number(query, previous), event = query->event, number;
	bool begins = event == EVENT_SYN || event == EVENT_INITIAL ||
		      (event == EVENT_DATAGRAM && !takes_new(query, previous));
	bool tracks = query->flags & SERVICE_TRACK, stays = tracks || before;

	number = assign(query, policy, begins ? 0 : before);
	if (is_datagram(event))
		*state = stays ? FLOW_UDP_NEW : FLOW_FREE;
	else if (event == EVENT_SYN)
		*state = before || query->diverted || (tracks && policy->scheduler != SCHEDULER_MAGLEV) ? FLOW_SYN_RECV
													: FLOW_FREE;
	else
		*state = event == EVENT_ACK && stays ? FLOW_UNCONFIRMED : FLOW_FREE;
	return number;
}

/* By event, the state that a flow begins with under a scheduler that is not hashed. */
#define BEGUN_STATES                                                                                               \
	(FLOW_SYN_RECV << 4 * EVENT_SYN | FLOW_UNCONFIRMED << 4 * EVENT_ACK | FLOW_UDP_NEW << 4 * EVENT_DATAGRAM | \
	 FLOW_UDP_NEW << 4 * EVENT_INITIAL)

/*
 * Begins a flow that has no entry, under the other schedulers; or goes on with one that a flood displaced, where
 * entries are crowded. `state` is the state to store the flow with.
 */
static __always_inline __u32 begin_scheduled(struct flow_query *query, const struct policy *policy, __u32 *state)
{
	*state = BEGUN_STATES >> 4 * (query->event & 7) & 15;
	return assign(query, policy, 0);
}

/* Whether the client cannot be one. */
static __always_inline bool has_martian(const struct flow_query *query, __u32 words)
{
	/* As in policy_of(): kernel 6.1 wants the key on the stack. */
	__u32 copy = query->copy;
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	return table && is_martian(query->words, table, copy, words == FLOW6_WORDS);
}

/* Whether a packet opens a flow under a scheduler that is not hashed. */
static __always_inline bool is_opening(__u32 event)
{
	return event == EVENT_SYN || is_datagram(event);
}

static __always_inline __u32 follow_in(struct flow_query *query, __u32 words)
{
	const struct policy *policy = policy_of(query->service, query->copy);
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	if (!policy || !table)
		return 0;
	__u32 previous = previous_of(query, policy), number, state = FLOW_FREE;
	bool hashed = is_hashed(policy);
	query->scheduler = policy->scheduler;

	if (unlikely(has_martian(query, words)) && !query->from_host)
		return fail(query, VERDICT_MARTIAN);
	if (policy->flags & POLICY_ONE_PACKET || (!(query->flags & SERVICE_TRACK) && previous == SLOT_UNMOVED)) {
		if (begins_nothing(query->event))
			return fail(query, FOLLOW_AGAIN);
		query->opens = query->event == EVENT_SYN || policy->flags & POLICY_ONE_PACKET;
		number = choose(query, policy);
		return number ? number : no_destination(query);
	}
	NOTE_STEP(TRACE_SOUGHT);
	__u64 hash = flow_hash(query->words, words), data = 0;
	query->flow_hash = hash;
	/*
	 * Into memory and back: so the verifier forgets which of all entries it is, and goes through follow_known()
	 * once and not once for each.
	 */
	__u64 extents = extents_of(words);
	if (unlikely(are_moving(extents))) {
		query->found = find_moving(query, false);
	} else {
		query->found = find_within(table, query->words, hash, 0, extents, words, query->port, false, &data);
		query->data = data;
	}
	asm volatile("" : : : "memory");
	if (query->found)
		return follow_known(query, policy, words);
	if (unlikely(policy->flags & POLICY_GHOST))
		return fail(query, VERDICT_NO_SERVICE);

	if (begins_nothing(query->event)) {
		query->previous = previous_number(query, previous);
		return fail(query, FOLLOW_AGAIN);
	}
	query->crowded = !hashed && is_crowded(query);
	if (!hashed && !is_opening(query->event) && !query->crowded)
		return fail(query, VERDICT_NO_FLOW);
	number = hashed ? begin_hashed(query, policy, previous, &state) : begin_scheduled(query, policy, &state);
	if (!number)
		return no_destination(query);
	NOTE(state, state);
	bool stored = state != FLOW_FREE && store_flow(query, table, hash, words, number, state);
	/* Without its entry, later packets of the flow would not find its destination, unless its hash leads there. */
	if (!hashed && !stored && !query->crowded)
		return fail(query, VERDICT_FLOWS_FULL);
	query->opens = query->event == EVENT_SYN || (stored && is_datagram(query->event));
	return number;
}

/* Returns the number of the destination that a packet goes to; 0 for none, and query->verdict says why. */
__noinline int follow_flow4(struct flow_query *query)
{
	return query ? follow_in(query, FLOW4_WORDS) : 0;
}

__noinline int follow_flow6(struct flow_query *query)
{
	return query ? follow_in(query, FLOW6_WORDS) : 0;
}

/* Decides where follow_flow4() and follow_flow6() do not. Returns the same. */
__noinline int follow_again(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	query->verdict = VERDICT_NO_DESTINATION;
	if (begins_nothing(query->event))
		return follow_passive(query, policy, query->previous);
	__u32 number = assign(query, policy, 0);
	__u32 next = state_after(query->data, query->event, query->now);

	if (!number)
		return no_destination(query);
	/* A template may lead it back. */
	if (query->event == EVENT_SYN && number != flow_number(query->data)) {
		query->opens = true;
		next = FLOW_SYN_RECV;
	}
	if (query->is_ipv6)
		go_on(query, policy, number, next, FLOW6_WORDS);
	else
		go_on(query, policy, number, next, FLOW4_WORDS);
	return number;
}

/* Follows a packet's flow. Returns the number of its destination; 0 for none, and `reason` says why. */
static __always_inline __u32 follow(const struct frame *frame, const struct packet *packet, struct delivery *delivery,
				    enum verdict *reason)
{
	const struct match *match = delivery->match;
	__u32 cpu = bpf_get_smp_processor_id();
	struct flow_query *query = bpf_map_lookup_elem(&flow_queries, &cpu);
	if (!query)
		return 0;

	fill_flow_key(query->words, packet, delivery);
	query->hash = ring_hash(packet, delivery->is_ipv6);
	query->first = match->first;
	query->ring = match->ring;
	query->copy = *delivery->copy;
	query->now = flow_now();
	query->port = packet->ports->destination;
	query->service = match->number;
	query->shift = match->shift;
	query->flags = match->flags;
	query->event = event_of(frame, packet);
	NOTE(event, query->event);
	NOTE_STEP(TRACE_FOLLOWED);
	query->is_ipv6 = delivery->is_ipv6;
	query->found = 0;
	query->previous = 0;
	query->opens = false;
	query->diverted = false;
	query->first_went = packet->first_went;
	query->crowded = false;
	query->from_host = delivery->from_host;
	query->verdict = VERDICT_NO_DESTINATION;

	__u32 number = delivery->is_ipv6 ? follow_flow6(query) : follow_flow4(query);
	if (unlikely(query->verdict == FOLLOW_AGAIN))
		number = follow_again(query);
	delivery->opens = query->opens;
	*reason = query->verdict;
	return number;
}
