/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How loaded the destinations are: counts their flows, and marks those that reach their threshold.
 */
#pragma once

#include "effect.h"
#include "flow_entry.h"
#include "maps.h"
#include "parse.h"

static __always_inline struct load *load_of(__u32 number)
{
	__u32 zero = 0;
	struct loads *table = bpf_map_lookup_elem(&loads, &zero);

	KEEP_BOUNDS_CHECK(number);
	return table ? &table->entry[number & geometry.destination_mask] : NULL;
}

/* Counts a flow with its destination; with a `change` of -1, no longer. */
static __always_inline void count_flow(__u32 number, __u32 state, __s32 change)
{
	struct load *load = load_of(number);
	__u32 class = flow_class(state);

	/* Number 0: its destination is gone, and it is not counted any more. */
	if (!load || !number || class >= FLOW_CLASS_COUNT)
		return;
	FETCH_AND_ADD(load->flows[class], change);
	/* As in ip_vs_bind_dest(), net/netfilter/ipvs/ip_vs_conn.c: templates do not count. The sweep resets it. */
	if (change > 0 && unlikely(load->upper) && load->flows[FLOW_ACTIVE] + load->flows[FLOW_INACTIVE] >= load->upper)
		SET(load->overload, 1);
}

/* Returns the overhead that IPVS's schedulers but sed and nq compare (ip_vs_dest_conn_overhead(), include/net/ip_vs.h).
 */
static __always_inline __u64 overhead_of(const struct load *load)
{
	return ((__u64)load->flows[FLOW_ACTIVE] << 8) + load->flows[FLOW_INACTIVE];
}
