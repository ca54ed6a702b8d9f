/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Templates of persistence: the entries that keep all flows of a client, or of its network, at one destination.
 */
#pragma once

#include "flow_store.h"
#include "policy.h"

/* Fills in the key of a flow's template, which stands for all flows of a client, or of its network, to the service. */
static __always_inline void fill_template_key(__u64 key[3], const struct flow_query *query)
{
	const struct policy *policy = policy_of(query->service, query->copy);
	if (!policy)
		return;

	const __be32 *mask = policy->mask;
	if (query->is_ipv6) {
		key[0] = query->words[0] & *(const __u64 *)&mask[0];
		key[1] = query->words[1] & *(const __u64 *)&mask[2];
		key[2] = flow6_rest(0, policy->group);
	} else {
		key[0] = flow4_key((__u32)query->words[0] & mask[0], 0, policy->group);
	}
}

static __always_inline __u32 find_template_in(struct flow_query *query, const __u64 *key, __u32 extent, __u32 words)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 data = 0;
	if (!table)
		return 0;

	__u32 found = find_within(table, key, flow_hash(key, words), 0, extent, words, 0, true, &data);
	query->template_data = data;
	return found;
}

/* See find_template(). */
__noinline int find_template_within(struct flow_query *query, __u32 extent)
{
	__u64 key[3] = {};

	if (!query)
		return 0;
	fill_template_key(key, query);
	return query->is_ipv6 ? find_template_in(query, key, extent, FLOW6_WORDS)
			      : find_template_in(query, key, extent, FLOW4_WORDS);
}

/*
 * Finds the query's flow or its template while flows are moved. A function of its own: it would take the stack of those
 * that call it.
 */
__noinline int find_moving(struct flow_query *query, bool template)
{
	__u64 key[3] = {}, data = 0;
	if (!query)
		return 0;

	if (template)
		fill_template_key(key, query);
	else
		__builtin_memcpy(key, query->words, sizeof(key));
	__u64 port = template ? 0 : query->port;
	__u32 found = query->is_ipv6 ? find_moving_in(key, FLOW6_WORDS, port, template, &data)
				     : find_moving_in(key, FLOW4_WORDS, port, template, &data);

	if (template)
		query->template_data = data;
	else
		query->data = data;
	return found;
}

/* Finds the template. Returns 1 + the index of its entry, and leaves its data in the query; 0 when there is none. */
static __always_inline __u32 find_template(struct flow_query *query)
{
	__u64 extents = extents_of(query->is_ipv6 ? FLOW6_WORDS : FLOW4_WORDS);

	return unlikely(are_moving(extents)) ? find_moving(query, true) : find_template_within(query, extents);
}

static __always_inline bool store_template_in(const struct flow_query *query, const __u64 *key, __u32 words, __u64 data)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 hash = flow_hash(key, words);

	return table && (store_free(table, key, hash, words, data) ||
			 store_displacing(table, key, hash, words, data, query->now));
}

/* Stores the template. 0 when there is no room. */
__noinline int store_template(struct flow_query *query, __u32 number)
{
	__u64 key[3] = {};

	if (!query)
		return 0;
	__u64 data = flow_data(0, number, FLOW_TEMPLATE_NEW, query->now);
	fill_template_key(key, query);
	return query->is_ipv6 ? store_template_in(query, key, FLOW6_WORDS, data)
			      : store_template_in(query, key, FLOW4_WORDS, data);
}

/* Gives the template that was found another destination, state, or time. */
__noinline int change_template(struct flow_query *query, __u32 found, __u32 number, __u32 state, __u32 time)
{
	if (!query)
		return 0;
	change_entry(query->is_ipv6 ? data_at(found - 1, FLOW6_WORDS) : data_at(found - 1, FLOW4_WORDS),
		     query->template_data, number, state, time);
	return 1;
}

static __always_inline bool is_crowded_in(const struct flow_query *query, __u32 words)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 hash = query->flow_hash;

	return table && !is_preferred_free(table, hash, words) && !has_room(table, hash, words) && !enlarge(words) &&
	       !is_growing(words);
}

/*
 * Returns 1 when no entry that the query's flow can have is free or holds an ended flow. Then a flood may displace the
 * flow at any time, so its hash schedules it (schedule_flow()): its own, or where the service is persistent its
 * client's, so that the client's flows stay together also when their template is lost.
 */
__noinline int is_crowded(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	__u64 key[3] = {};

	if (!policy || !(query->is_ipv6 ? is_crowded_in(query, FLOW6_WORDS) : is_crowded_in(query, FLOW4_WORDS)))
		return 0;
	NOTE_STEP(TRACE_CROWDED);
	/* How many flows each destination has says little then: they are mostly a flood's. */
	if (query->scheduler == SCHEDULER_FO || query->scheduler == SCHEDULER_OVF)
		query->scheduler = SCHEDULER_FO;
	else if (query->scheduler >= SCHEDULER_LC)
		query->scheduler = SCHEDULER_TWOS;
	if (policy->flags & POLICY_PERSISTENT) {
		fill_template_key(key, query);
		query->hash = query->is_ipv6 ? ring_hash6(key[0], key[1], 0) : ring_hash4(key[0], 0);
	}
	return 1;
}
