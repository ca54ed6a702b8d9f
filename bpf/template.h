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

static __always_inline __u32 find_template_in(struct flow_query *query, const __u64 *key, __u32 words)
{
	volatile __u64 *table = flow_table(words == FLOW6_WORDS);
	__u64 data = 0;
	if (!table)
		return 0;

	__u32 found = find_in(table, key, flow_hash(key, words), words, 0, true, &data);
	query->template_data = data;
	return found;
}

/* Finds the template. Returns 1 + the index of its entry, and leaves its data in the query; 0 when there is none. */
__noinline int find_template(struct flow_query *query)
{
	__u64 key[3] = {};

	if (!query)
		return 0;
	fill_template_key(key, query);
	return query->is_ipv6 ? find_template_in(query, key, FLOW6_WORDS) : find_template_in(query, key, FLOW4_WORDS);
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

/* Gives the template that was found another destination, state, or the present time. */
__noinline int change_template(struct flow_query *query, __u32 found, __u32 number, __u32 state)
{
	if (!query)
		return 0;
	change_entry(query->is_ipv6 ? data_at(found - 1, FLOW6_WORDS) : data_at(found - 1, FLOW4_WORDS),
		     query->template_data, number, state, query->now);
	return 1;
}
