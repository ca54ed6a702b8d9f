/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The control plane's rules for scheduling a service: its policy, its candidates, and how far its scheduler has
 * come.
 */
#pragma once

#include "effect.h"
#include "load.h"
#include "maps.h"

/* `copy` by value: kernel 6.1 takes no key from memory to which a global function was given a pointer. */
static __always_inline const struct policy *policy_of(__u32 service, __u32 copy)
{
	const struct policies *table = bpf_map_lookup_elem(&policies, &copy);

	KEEP_BOUNDS_CHECK(service);
	return table ? &table->entry[service & geometry.service_mask] : NULL;
}

static __always_inline const struct candidate *candidate_at(__u32 index, __u32 copy)
{
	const struct candidates *table = bpf_map_lookup_elem(&candidates, &copy);

	KEEP_BOUNDS_CHECK(index);
	return table ? &table->entry[index & geometry.destination_mask] : NULL;
}

static __always_inline struct cursor *cursor_of(__u32 group)
{
	__u32 zero = 0;
	struct cursors *table = bpf_map_lookup_elem(&cursors, &zero);

	KEEP_BOUNDS_CHECK(group);
	return table ? &table->entry[group & geometry.service_mask] : NULL;
}

/* Returns the number of the destination at an index when it takes new flows, or 0. */
static __always_inline __u32 taking(__u32 index, __u32 copy)
{
	const struct candidate *candidate = candidate_at(index, copy);
	if (!candidate || !candidate->weight)
		return 0;
	const struct load *load = load_of(candidate->number);
	return load && !load->overload ? candidate->number : 0;
}

/*
 * The argument of functions that bpf_loop() calls, which must be on the stack. The stack is short, so all else is in
 * the query.
 */
struct walking {
	struct flow_query *query;
};
