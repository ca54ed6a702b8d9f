/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The schedulers fo, ovf, lblc and lblcr: one walk over all destinations that asks for more than the least overhead.
 */
#pragma once

#include "policy.h"
#include "verifier.h"

static long scan_one(__u32 place, struct walking *walking)
{
	struct flow_query *query = walking->query;
	struct scan *scan = &query->scan;
	const struct candidate *candidate = candidate_at(query->first + place, query->copy);
	const struct load *load = candidate && candidate->number ? load_of(candidate->number) : NULL;
	if (!load)
		return 0;

	__u64 weight = candidate->weight, active = load->flows[FLOW_ACTIVE], overhead = overhead_of(load);
	/* is_overloaded() in ip_vs_lblc.c looks at all destinations, also at those that take no flows. */
	scan->idle |= active * 2 < weight;
	if (!weight || load->overload)
		return 0;
	if (scan->scheduler == SCHEDULER_FO || scan->scheduler == SCHEDULER_OVF) {
		/* The heaviest; under ovf among those that have no more flows than their weight. */
		if (weight > scan->weight && (scan->scheduler == SCHEDULER_FO || active <= weight)) {
			scan->best = candidate->number;
			scan->weight = weight;
		}
		return 0;
	}
	if (!scan->best || scan->overhead * weight > overhead * scan->weight) {
		scan->best = candidate->number;
		scan->weight = weight;
		scan->overhead = overhead;
	}
	if (scan->scheduler == SCHEDULER_LBLCR ? !load->member : scan->cached != candidate->number)
		return 0;
	/* Among equals the one that joined last: ip_vs_dest_set_insert() puts it first. */
	__u64 theirs = scan->member_overhead * weight, own = overhead * scan->member_weight;
	if (!scan->member || theirs > own || (theirs == own && load->member > scan->joined)) {
		scan->member = candidate->number;
		scan->joined = load->member;
		scan->member_weight = weight;
		scan->member_overhead = overhead;
		scan->full = active > weight;
	}
	return 0;
}

/* fo, ovf, lblc and lblcr. */
__noinline int schedule_scan(struct flow_query *query)
{
	const struct policy *policy = query ? policy_of(query->service, query->copy) : NULL;
	if (!policy)
		return 0;

	struct walking walking = {.query = query};
	struct scan *scan = &query->scan;
	struct cursor *cursor = cursor_of(policy->group);

	if (!cursor)
		return 0;
	*scan = (struct scan){.scheduler = query->scheduler, .cached = cursor->cached};
	bpf_loop(policy->candidates, scan_one, &walking, 0);
	if (policy->scheduler == SCHEDULER_FO || policy->scheduler == SCHEDULER_OVF)
		return scan->best;
	/* A destination in use stays, unless it is overloaded while another is half idle (ip_vs_lblc.c, ip_vs_lblcr.c).
	 */
	if (scan->member && !(scan->full && scan->idle))
		return scan->member;
	if (policy->scheduler == SCHEDULER_LBLC) {
		SET(cursor->cached, scan->best);
	} else {
		struct load *load = load_of(scan->best);
		if (load && scan->best && !load->member)
			SET(load->member, FETCH_AND_ADD(cursor->count, 1) + 1);
	}
	return scan->best;
}
