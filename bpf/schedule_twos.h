/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Weighted draws: two for the scheduler twos, of which the less loaded destination wins; one by a flow's hash where a
 * flood may displace its entry.
 */
#pragma once

#include "hash.h"
#include "policy.h"

/* A walk over all destinations: to the sum of the weights, or to the destination that is drawn. */
struct draw {
	__u32 first;
	__u32 copy;
	__u64 sum;
	__s64 left;   /* of the draw */
	__u32 number; /* out: of the destination that is drawn; after the sum, of the last that takes flows; 0: none */
	__u32 weight;
};

static long sum_one(__u32 place, struct draw *draw)
{
	const struct candidate *candidate = candidate_at(draw->first + place, draw->copy);
	__u32 number = taking(draw->first + place, draw->copy);

	if (candidate && number) {
		draw->sum += candidate->weight;
		draw->number = number;
	}
	return 0;
}

static long draw_one(__u32 place, struct draw *draw)
{
	const struct candidate *candidate = candidate_at(draw->first + place, draw->copy);
	__u32 number = taking(draw->first + place, draw->copy);

	if (!candidate || !number)
		return 0;
	draw->left -= candidate->weight;
	if (draw->left > 0)
		return 0;
	draw->number = number;
	draw->weight = candidate->weight;
	return 1;
}

static __always_inline __u32 draw_by(struct draw *draw, __u64 random, __u32 candidates)
{
	/* From 0 to the sum, both included. The sum has more than 32 bits where a few weights are the largest. */
	__u64 part = random >> 32, whole = draw->sum + 1;
	draw->left = part * (whole >> 32) + (part * (__u32)whole >> 32);
	draw->weight = 0;
	bpf_loop(candidates, draw_one, draw, 0);
	return draw->number;
}

/*
 * Schedules by two weighted draws, of which the less loaded wins (ip_vs_twos.c). The draws follow from the number of
 * flows that the service had, so that they can be repeated.
 */
__noinline int schedule_twos(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	struct draw draw = {.first = query->first, .copy = query->copy};
	struct cursor *cursor = cursor_of(policy->group);

	if (!cursor)
		return 0;
	bpf_loop(policy->candidates, sum_one, &draw, 0);
	if (!draw.number)
		return 0;
	/*
	 * A flow whose entry a flood may displace at any time is scheduled by its hash and the weights alone, so that
	 * each of its packets finds the same destination with an entry or without. Most flows that count are the
	 * flood's then.
	 */
	if (query->crowded)
		return draw_by(&draw, query->hash, policy->candidates);
	__u64 random = mix(FETCH_AND_ADD(cursor->count, 1) + 1);
	__u32 one = draw_by(&draw, random, policy->candidates);
	__u64 weight = draw.weight;
	__u32 other = draw_by(&draw, mix(random ^ random >> 32), policy->candidates);
	const struct load *load = load_of(one), *other_load = load_of(other);
	if (!load || !other_load)
		return one;
	return weight * overhead_of(other_load) < draw.weight * overhead_of(load) ? other : one;
}
