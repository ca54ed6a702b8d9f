/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The schedulers that go by a table: maglev, mh and sh by the slot that a hash falls on; rr, wrr and dh by one slot
 * after another.
 */
#pragma once

#include "flow_lookup.h"
#include "policy.h"
#include "ring.h"

/* Whether the flow's slot follows from the packet alone. */
static __always_inline bool is_hashed(const struct policy *policy)
{
	return policy->scheduler <= SCHEDULER_SH;
}

/*
 * Returns the word that sh and mh hash: the client's address in host order, IPv6's folded to 32 bits as in IPVS, plus
 * its port when asked for.
 */
static __always_inline __u32 hashed_word(const struct flow_query *query, const struct policy *policy)
{
	const __u64 *words = query->words;
	__u64 client = query->is_ipv6 ? words[0] ^ words[1] : words[0];
	__u64 rest = query->is_ipv6 ? words[2] : words[0] >> 32;

	if (query->is_ipv6)
		client ^= client >> 32;
	return bpf_ntohl((__u32)client) + (policy->flags & POLICY_PORT ? bpf_ntohs((__u16)rest) : 0);
}

/* Returns the flow's slot, under a scheduler that is_hashed(). */
static __always_inline __u32 hashed_slot(const struct flow_query *query, const struct policy *policy)
{
	switch (policy->scheduler) {
	case SCHEDULER_MH:
		return mh_slot(hashed_word(query, policy));
	case SCHEDULER_SH:
		return sh_slot(hashed_word(query, policy));
	default:
		return ring_slot(query->hash, query->shift);
	}
}

/* Returns the number of the destination that a slot leads to when its weight is not 0, or 0. */
static __always_inline __u32 owner_of_slot(__u32 first, __u32 slot, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	const struct candidate *candidate = table ? candidate_at(first + slot_at(table, slot), copy) : NULL;

	return candidate && candidate->weight ? candidate->number : 0;
}

/* Returns the number of the destination that a slot leads to when it takes new flows, or 0. */
static __always_inline __u32 taking_slot(__u32 first, __u32 slot, __u32 copy)
{
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);

	return table ? taking(first + slot_at(table, slot), copy) : 0;
}

static long probe_next(__u32 step, struct walking *walking)
{
	struct flow_query *query = walking->query;
	struct probe *probe = &query->probe;
	__u32 slot;

	switch (probe->scheduler) {
	case SCHEDULER_MH:
		slot = mh_slot(probe->word + (step + probe->slot) % MH_SLOTS);
		break;
	case SCHEDULER_SH:
		slot = (step + 2 * probe->slot) % SH_SLOTS;
		break;
	default:
		slot = (probe->slot + 1 + step) % probe->length;
	}
	probe->found = taking_slot(query->first, query->ring + slot, query->copy);
	return probe->found != 0;
}

/* Whether a packet's flow began earlier. Where its slot is enough, the SYN of a TCP flow is not remembered. */
static __always_inline bool goes_on(__u32 event)
{
	return event != EVENT_SYN && event != EVENT_DATAGRAM && event != EVENT_INITIAL;
}

/*
 * Schedules by a table: the slot's destination, or that of another slot, where the first takes no flows and the
 * scheduler allows it. Thresholds are for new flows: a flow that goes on, and has no entry, stays where its slot leads;
 * else its SYN would have been stored.
 */
__noinline int schedule_by_slot(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	struct walking walking = {.query = query};
	struct probe *probe = &query->probe;
	__u32 length = policy->length, slot;
	struct cursor *cursor = NULL;
	bool looks_on = policy->scheduler == SCHEDULER_MAGLEV;

	if (!length)
		return 0;
	if (policy->scheduler == SCHEDULER_SEQUENCE) {
		cursor = cursor_of(policy->group);
		if (!cursor)
			return 0;
		/* One count for all CPUs: that is what makes round robin alternate strictly. */
		slot = query->crowded ? (query->hash >> 32) * length >> 32
				      : (FETCH_AND_ADD(cursor->count, 1) + policy->base) % length;
		looks_on = true;
	} else {
		slot = hashed_slot(query, policy);
		looks_on |= policy->flags & POLICY_FALLBACK;
	}
	__u32 owner = owner_of_slot(query->first, query->ring + slot, query->copy);
	const struct load *load = load_of(owner);

	NOTE(slot, slot);
	if (likely(owner && load && (!load->overload || (!cursor && goes_on(query->event)))))
		return owner;
	query->diverted = owner != 0;
	NOTE_STEP(owner ? TRACE_DIVERTED : 0);
	if (!looks_on)
		return 0;
	*probe = (struct probe){
		.length = length,
		.slot = slot,
		.word = hashed_word(query, policy),
		.scheduler = policy->scheduler,
	};
	long steps = bpf_loop(length, probe_next, &walking, 0);
	NOTE(looked_on, steps);
	if (cursor && probe->found && !query->crowded)
		FETCH_AND_ADD(cursor->count, steps);
	return probe->found;
}
