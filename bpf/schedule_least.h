/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The schedulers lc, wlc, sed and nq: the destination with the least overhead for its weight.
 */
#pragma once

#include "policy.h"
#include "verifier.h"

/* A walk over a service's destinations, in their order, to the one with the least overhead for its weight. */
struct least {
	__u32 first;
	__u32 candidates;
	__u32 copy;
	struct candidate best; /* out; number 0 for none */
	__u64 overhead;
};

/* More than any overhead: 2^24 flows at most, each 256. The first destination has less, whatever it weighs. */
#define UTMOST_OVERHEAD (1ULL << 32)

/*
 * Returns the overhead for sed and nq: flows, the next one included (ip_vs_sed_dest_overhead() in ip_vs_sed.c); for nq
 * none where there is no active flow.
 */
static __always_inline __u64 shortest_overhead(const struct load *load, bool idle_first)
{
	__u64 active = load->flows[FLOW_ACTIVE], negative = -active;

	/* 1 where it is not 0, by the sign and not by a branch: the verifier would follow a known zero by itself. */
	KEEP_BOUNDS_CHECK(negative);
	return active + (idle_first ? negative >> 63 : 1);
}

/*
 * Walks over a part of the destinations, since a call for each costs 7 ns. `shortest` and `all_alike` (lc: weights do
 * not count; nq: nor does anything else where there is no active flow) are constants in a function for each scheduler.
 *
 * The best destination so far is kept in memory: in registers it would be another state for each path through the loop,
 * and the verifier would not come to an end.
 */
static __always_inline long least_part(__u32 part, struct least *least, bool shortest, bool all_alike)
{
	volatile struct least *so_far = least;
	__u32 done = part * CANDIDATES_AT_A_TIME, first = least->first + done;
	/* 64 bits: the verifier forgets the bounds of half a word on the stack; kernel 6.1 also of a copied one. */
	__u64 mask = geometry.destination_mask, left = least->candidates - done;
	__u32 zero = 0;
	const struct candidates *table = bpf_map_lookup_elem(&candidates, &least->copy);
	const struct loads *all = bpf_map_lookup_elem(&loads, &zero);

	if (!table || !all)
		return 1;
	KEEP_BOUNDS_CHECK(first);
	KEEP_BOUNDS_CHECK(left);
	/* One bound for the whole part: the table has as many entries behind the last. */
	const struct candidate *candidate = &table->entry[first & mask];
	__u64 count = left < CANDIDATES_AT_A_TIME ? left : CANDIDATES_AT_A_TIME;
	/* For the verifier a part that is full is like any other: it follows the loop once, and not for each. */
	count += unknown_zero(candidate->weight);
	if (count > CANDIDATES_AT_A_TIME)
		return 1;
	/* So that each round has one comparison and not two. */
	KEEP_BOUNDS_CHECK(count);
#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < count; i++, candidate++) {
		__u64 weight = candidate->weight;
		__u64 number = candidate->number;
		KEEP_BOUNDS_CHECK(number);
		const struct load *load = &all->entry[number & mask];

		if (unlikely(!weight || load->overload))
			continue;
		__u64 own = shortest ? shortest_overhead(load, all_alike) : overhead_of(load);
		if (!shortest && all_alike)
			weight = 1;
		/* Less than the least so far: by cross-multiplication, strictly, so that the first of equals stays. */
		if (own * so_far->best.weight >= so_far->overhead * weight)
			continue;
		so_far->best.number = number;
		so_far->best.weight = weight;
		so_far->overhead = of_any_size(own);
	}
	return left <= CANDIDATES_AT_A_TIME;
}

static long lc_part(__u32 part, struct least *least)
{
	return least_part(part, least, false, true);
}

static long wlc_part(__u32 part, struct least *least)
{
	return least_part(part, least, false, false);
}

static long sed_part(__u32 part, struct least *least)
{
	return least_part(part, least, true, false);
}

static long nq_part(__u32 part, struct least *least)
{
	return least_part(part, least, true, true);
}

/* lc, wlc, sed and nq. */
__noinline int schedule_least(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	__u64 none = unknown_zero(query->hash);
	struct least least = {
		.first = query->first,
		.candidates = policy->candidates,
		.copy = query->copy,
		.best = {.number = none, .weight = none + 1},
		.overhead = none + UTMOST_OVERHEAD,
	};
	__u32 parts = (least.candidates + CANDIDATES_AT_A_TIME - 1) / CANDIDATES_AT_A_TIME;

	switch (policy->scheduler) {
	case SCHEDULER_LC:
		bpf_loop(parts, lc_part, &least, 0);
		break;
	case SCHEDULER_SED:
		bpf_loop(parts, sed_part, &least, 0);
		break;
	case SCHEDULER_NQ:
		bpf_loop(parts, nq_part, &least, 0);
		break;
	default:
		bpf_loop(parts, wlc_part, &least, 0);
	}
	return least.best.number;
}
